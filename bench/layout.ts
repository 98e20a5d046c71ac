/** Parts of a report for a reader at a terminal that every suite prints alike. */
import Table from 'cli-table3';
import { BORDERLESS } from '../lib/cli/render/layout.ts';
import type { Machine } from './machine.ts';
import { costOf, type Drained, type Measured, rateOf } from './measure.ts';
import type { SuiteResult } from './suite.ts';
import { median, type Verdict } from './verdict.ts';

const BAR = 24;
/** No lines: the report is pasted into issues. */
const PLAIN = {
  chars: BORDERLESS,
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
};

/** The first column is text, the others are numbers unless said otherwise. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  lastIsText = false,
): string {
  const isText = (column: number) => column === 0 || (lastIsText && column === head.length - 1);
  const table = new Table({
    ...PLAIN,
    head: [...head],
    colAligns: head.map((_, column) => (isText(column) ? 'left' : 'right')),
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replaceAll(/ +$/gm, '');
}

function renderMachine(machine: Machine, settings: Readonly<Record<string, string>>): readonly string[] {
  const shown = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [
    `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, kernel ${machine.kernel}; load ${machine.loadBefore} before, ${machine.loadAfter} after`,
    `Node ${machine.node}, PostgreSQL ${machine.postgres}, data ${machine.dataIn === 'memory' ? 'in memory' : 'on disk'}, driver, front and servers on the same cores; ${shown.join(' ')}`,
  ];
}

/** The frame of every report: what was run and where, what was measured, how it stands to what was asked for, and what is missing. */
export function renderFrame(
  result: SuiteResult,
  { what, unit, asked }: { readonly what: string; readonly unit: string; readonly asked: string },
  sections: readonly string[],
): string {
  const quick = result.quick ? ` — quick: too few ${unit}s for a judgement` : '';
  const parts = [
    `${what}; ${result.at}, ${Math.round(result.seconds)} s${quick}`,
    ...renderMachine(result.machine, result.settings),
    ...sections,
    renderVerdicts(`asked for (${asked})`, result.verdicts),
    ...renderSkipped(result.skipped),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** @param unit what is counted: `event`, `row`. */
export function renderRates(drained: readonly Measured[], unit: string): string {
  const measured = drained.filter(({ runs }) => runs.length > 0);
  const top = Math.max(1, ...measured.map(({ runs }) => median(runs.map(rateOf))));
  const rows = measured.map(({ title, runs }) => {
    const rates = runs.map(rateOf);
    const middle = median(rates);
    const costs = runs.flatMap((run) => costOf(run) ?? []);
    const own = runs.flatMap(nodeCostOf);
    return [
      title,
      whole(middle),
      whole(Math.max(...rates)),
      runs.length,
      costs.length === 0 ? '-' : small(median(costs)),
      costs.length === 0 || own.length === 0 ? '-' : small(median(own)),
      '█'.repeat(Math.max(1, Math.round((BAR * middle) / top))),
    ];
  });
  return renderTable([`${unit}s/s`, 'median', 'best', 'n', `CPU µs/${unit}`, 'of it client', ''], rows, true);
}

function renderVerdicts(head: string, verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ what, value, unit, floor, goal, outcome }) => {
    const show = (number: number | null) =>
      number === null ? '' : unit === '' ? number.toFixed(2) : `${whole(number)}${unit === 'ms' ? ' ms' : unit}`;
    return [what, value === null ? '-' : show(value), show(floor), show(goal), outcome];
  });
  return renderTable([head, 'value', 'bound', 'goal', ''], rows, true);
}

function renderSkipped(skipped: readonly string[]): readonly string[] {
  return skipped.length === 0 ? [] : [`Not measured:\n${skipped.map((line) => `  ${line}`).join('\n')}`];
}

export function whole(number: number): string {
  return Math.round(number)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ' ');
}

function small(number: number): string {
  return number < 10 ? number.toFixed(2) : whole(number);
}

function nodeCostOf({ nodeCpuMs, events }: Drained): readonly number[] {
  return nodeCpuMs === undefined ? [] : [(1000 * nodeCpuMs) / events];
}

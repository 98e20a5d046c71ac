/** The result for a reader at a terminal: a table with bars, latencies, and what was asked for with passed or missed. */
import Table from 'cli-table3';
import { BORDERLESS } from '../../lib/cli/render/layout.ts';
import { costOf, type Measured, rateOf } from '../measure.ts';
import { MAIN, median, type RelayResult, type Verdict } from './result.ts';

const BAR = 24;
/** No lines: the report is pasted into issues. */
const PLAIN = {
  chars: BORDERLESS,
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
};

export function renderReport(result: RelayResult): string {
  const { machine, settings } = result;
  const parts = [
    `Relay: ${result.events} events of about 300 bytes (${result.events / 2} rows in two versions), ${result.at}, ${Math.round(result.seconds)} s${result.quick ? ' — quick: too few events for a judgement' : ''}`,
    `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, kernel ${machine.kernel}; load ${machine.loadBefore} before, ${machine.loadAfter} after`,
    `Node ${machine.node}, PostgreSQL ${machine.postgres} twice, data ${machine.dataIn === 'memory' ? 'in memory' : 'on disk'}, driver, front and servers on the same cores; ${Object.entries(
      settings,
    )
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
    renderRates(result.drained),
    ...(result.latencies.length === 0 ? [] : [renderLatencies(result)]),
    ...(result.capture.length === 0 ? [] : [renderCapture(result)]),
    renderVerdicts(result.verdicts),
    ...(result.skipped.length === 0 ? [] : [`Not measured:\n${result.skipped.map((line) => `  ${line}`).join('\n')}`]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function renderRates(drained: readonly Measured[]): string {
  const table = new Table({
    ...PLAIN,
    head: ['events/s', 'median', 'best', 'n', 'CPU µs/event', 'of it Node', ''],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
  });
  const measured = drained.filter(({ runs }) => runs.length > 0);
  const top = Math.max(1, ...measured.map(({ runs }) => median(runs.map(rateOf))));
  for (const { title, runs } of measured) {
    const rates = runs.map(rateOf);
    const middle = median(rates);
    const costs = runs.flatMap((run) => costOf(run) ?? []);
    const own = runs.flatMap(({ nodeCpuMs, events }) => (nodeCpuMs === undefined ? [] : [(1000 * nodeCpuMs) / events]));
    const bar = '█'.repeat(Math.max(1, Math.round((BAR * middle) / top)));
    table.push([
      title,
      whole(middle),
      whole(Math.max(...rates)),
      runs.length,
      costs.length === 0 ? '-' : whole(median(costs)),
      costs.length === 0 || own.length === 0 ? '-' : whole(median(own)),
      bar,
    ]);
  }
  return withoutTrail(table.toString());
}

function renderLatencies({ latencies }: RelayResult): string {
  const table = new Table({
    ...PLAIN,
    head: ['commit in legacy to visible in target, ms', 'p50', 'p99', 'max', 'writes', 'writes/s'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const { title, p50, p99, max, writes, written } of latencies)
    table.push([title, whole(p50), whole(p99), whole(max), whole(writes), whole(written)]);
  return withoutTrail(table.toString());
}

function renderCapture({ capture }: RelayResult): string {
  const table = new Table({
    ...PLAIN,
    head: ['capture by triggers, TPC-B script', 'TPS without', 'with', 'ratio', 'added p50', 'added p99'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const { setting, tpsOff, tpsOn, ratio, addedP50, addedP99 } of capture)
    table.push([
      setting,
      whole(tpsOff),
      whole(tpsOn),
      ratio.toFixed(2),
      `${addedP50.toFixed(2)} ms`,
      `${addedP99.toFixed(2)} ms`,
    ]);
  return withoutTrail(table.toString());
}

function renderVerdicts(verdicts: readonly Verdict[]): string {
  const table = new Table({
    ...PLAIN,
    head: [`asked for (engine: pg, ${MAIN.shards} shards, batch ${MAIN.batchRows})`, 'value', 'bound', 'goal', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left'],
  });
  for (const { what, value, unit, floor, goal, outcome } of verdicts) {
    const show = (number: number | null) =>
      number === null ? '' : unit === '' ? number.toFixed(2) : `${whole(number)}${unit === 'ms' ? ' ms' : unit}`;
    table.push([what, value === null ? '-' : show(value), show(floor), show(goal), outcome]);
  }
  return withoutTrail(table.toString());
}

function whole(number: number): string {
  return Math.round(number)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ' ');
}

function withoutTrail(text: string): string {
  return text.replaceAll(/ +$/gm, '');
}

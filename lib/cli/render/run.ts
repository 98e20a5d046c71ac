import type { RunsPayload } from '../../application/operate/read-runs.ts';
import type { RunView } from '../../application/operate/run-view.ts';
import type { GateDecision } from '../../domain/gate.ts';
import type { RunAnswer } from '../follow.ts';
import type { Paint } from '../terminal.ts';
import {
  facts,
  outcome,
  paintLines,
  scopeText,
  section,
  shortArns,
  stack,
  table,
  time,
  who,
  wrap,
  wrapLines,
} from './layout.ts';

export function renderRun({ run, waitsFor }: RunAnswer, paint: Paint): string {
  return stack(
    headline(run, paint),
    waitsFor === null ? '' : paintLines(wrap(shortArns(waitsFor.why)), paint.yellow),
    section(paint, 'why', run.reasons.map((reason) => wrap(`- ${shortArns(reason)}`)).join('\n')),
    run.error === null ? '' : section(paint, 'error', wrapLines(run.error)),
    section(paint, 'notes', run.notes.map((note) => wrapLines(shortArns(note))).join('\n')),
    run.gates.length === 0 ? '' : section(paint, 'gates', gatesTable(run.gates, paint)),
  );
}

/** One run in full: also what each step said. */
export function renderRunDetails(answer: RunAnswer, paint: Paint): string {
  const { run } = answer;
  const steps = run.steps.map(({ step, at, notes }) => [time(at).slice(11), step, notes.join('\n')]);
  return stack(
    renderRun(answer, paint),
    steps.length === 0 ? '' : section(paint, 'steps', table(paint, ['at', 'step', 'notes'], steps)),
    facts(paint, [
      ['requested by', who(run.requestedBy)],
      ['execution', run.execution],
    ]),
  );
}

export function renderRuns({ runs }: RunsPayload, paint: Paint): string {
  if (runs.length === 0) return 'no run is on record';
  const rows = runs.map((run) => [
    time(run.startedAt),
    nameOf(run),
    outcome(paint, run.state),
    scopeText(run.scope),
    run.id,
  ]);
  return table(paint, ['started', 'machine', 'state', 'scope', 'run'], rows);
}

export function gatesTable(gates: readonly GateDecision[], paint: Paint): string {
  const rows = gates.map((gate) => [
    gate.pass ? paint.green('pass') : paint.red('refuse'),
    gate.gate,
    gate.value === null ? 'no evidence' : withUnit(gate.value, gate.unit),
    `${gate.comparison} ${withUnit(gate.threshold, gate.unit)}${gate.guide === undefined ? '' : ` (guide: ${gate.guide})`}`,
    gate.source,
    gate.measuredAt === null ? '-' : time(gate.measuredAt),
  ]);
  return table(paint, ['', 'gate', 'value', 'wanted', 'source', 'measured'], rows);
}

function headline(run: RunView, paint: Paint): string {
  const dry = run.dryRun ? ', a dry run: nothing was changed' : '';
  const name = run.from === null ? run.machine : `${run.machine} of ${run.from}`;
  return wrapLines(`${paint.bold(name)} ${outcome(paint, run.state)}${dry} (${scopeText(run.scope)}; run ${run.id})`);
}

function nameOf({ machine, from, dryRun }: RunView): string {
  const name = from === null ? machine : `${machine} of ${from}`;
  return dryRun ? `${name} (dry)` : name;
}

function withUnit(value: number | string | boolean, unit: string | undefined): string {
  return unit === undefined ? String(value) : `${value} ${unit}`;
}

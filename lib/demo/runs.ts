/** Runs of machines as the demo expects them: what they must end as, and how their gates are told. */
import type { RunState } from '../application/operate/run-view.ts';
import type { Chatter, RunAnswer, RunView } from './commands.ts';
import { type Demo, DemoFailure } from './demo.ts';

/** A command that starts a machine; it is followed to its end as on an operator's terminal. @throws {DemoFailure} when it ends otherwise. */
export async function runUntil(demo: Demo, line: string, wanted: RunState, chatter?: Chatter): Promise<RunView> {
  const run = await runToEnd(demo, line, chatter);
  if (run.state !== wanted) throw new DemoFailure(explainEnd(line, run, wanted));
  tellRun(demo, run);
  return run;
}

export async function runToEnd({ commands }: Demo, line: string, chatter?: Chatter): Promise<RunView> {
  const { payload } = await commands.run<RunAnswer | FailedAnswer>(`${line} --wait`, chatter);
  return runIn(line, payload);
}

/** Starts it and returns at once. */
export async function startRun({ commands }: Demo, line: string): Promise<RunView> {
  const { payload } = await commands.run<RunAnswer | FailedAnswer>(`${line} --no-wait`);
  return runIn(line, payload);
}

/** The run as it stands, without a word. */
export async function lookAtRun({ commands }: Demo, id: string): Promise<RunView> {
  const { payload } = await commands.ask<RunAnswer | FailedAnswer>(`runs ${id} --no-wait`);
  return runIn(`runs ${id}`, payload);
}

export function tellRun({ story }: Demo, run: RunView): void {
  const name = `${run.dryRun ? 'dry run of ' : ''}${run.machine}`;
  const took = run.endedAt === null ? '' : ` in ${seconds(Date.parse(run.endedAt) - Date.parse(run.startedAt))}`;
  if (run.state === 'refused') {
    story.refusal(`${name} refused${took}:`);
    for (const reason of run.reasons.slice(0, MOST_REASONS)) story.note(`  ${reason}`);
    return;
  }
  story.result(`${name}: ${run.state}${took}`);
  for (const line of wrap(run.gates.map(describeGate))) story.note(`  ${line}`);
}

/** `drift-rate 0 % (below 0.001 %, guide: 0.001)`. */
function describeGate({ gate, value, comparison, threshold, unit, guide }: RunView['gates'][number]): string {
  const of = unit === undefined ? '' : ` ${unit}`;
  const limit = comparison === 'equals' ? `= ${threshold}` : `${comparison} ${threshold}${of}`;
  return `${gate} ${value ?? 'no evidence'}${value === null ? '' : of} (${limit}${guide === undefined ? '' : `, guide: ${guide}`})`;
}

/** Items side by side, as many as fit a line. */
function wrap(items: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + item.length < LINE_WIDTH) lines[lines.length - 1] = `${last} · ${item}`;
    else lines.push(item);
  }
  return lines;
}

const LINE_WIDTH = 110;

/** `4.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

const MOST_REASONS = 4;

interface FailedAnswer {
  readonly error: { readonly message: string };
}

function runIn(line: string, payload: RunAnswer | FailedAnswer): RunView {
  if ('error' in payload) throw new DemoFailure(`crossfade ${line}: ${payload.error.message}`);
  return payload.run;
}

function explainEnd(line: string, run: RunView, wanted: RunState): string {
  const why = run.error ?? (run.reasons.slice(0, MOST_REASONS).join('; ') || 'no reason was given');
  return `crossfade ${line}: ${run.state} in step ${run.step ?? 'begin'}, expected ${wanted}: ${why} (crossfade runs ${run.id} shows all of it)`;
}

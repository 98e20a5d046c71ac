/** Cycles of reconciliation, as the demo's operator starts them between those that EventBridge fires. */
import type { DriftStatusPayload } from '../application/operate/drift.ts';
import type { Chatter } from './commands.ts';
import { type Demo, DemoFailure } from './demo.ts';
import { runToEnd, seconds, tellRun } from './runs.ts';
import { sleep } from './watch.ts';

export interface Cycle {
  readonly startedAt: string;
  readonly rows: number;
  readonly drift: number;
  readonly repaired: number;
  readonly status: DriftStatusPayload;
}

/** The gate wants a clean stretch of cycles; EventBridge fires one a minute, and the operator fires more. */
export async function passDriftGate(demo: Demo): Promise<void> {
  const { story } = demo;
  for (;;) {
    const { status } = await runCycle(demo);
    const { clock } = status;
    story.note(
      `drift clock: clean for ${seconds(clock.cleanMs)} of ${seconds(clock.neededMs)} (guide: 72 h), ${clock.drift} rows of drift among ${clock.rows}`,
    );
    if (clock.pass) break;
  }
  story.result('the drift gate may pass');
}

/** A cycle that began after `moment`; one that the schedule fired meanwhile does as well. */
export async function cycleSince(demo: Demo, moment: string): Promise<Cycle> {
  for (;;) {
    const cycle = await runCycle(demo);
    if (cycle.startedAt >= moment) return cycle;
  }
}

/** One cycle by command; while another one runs this one is refused, and that one is waited for. */
export async function runCycle(demo: Demo, chatter: Chatter = 'passing'): Promise<Cycle> {
  const { commands, story } = demo;
  const run = await runToEnd(demo, 'reconcile', chatter);
  if (run.state === 'refused') {
    if (!run.reasons.some((reason) => /run/i.test(reason)))
      throw new DemoFailure(`reconcile refused: ${run.reasons.join('; ')}`);
    story.note('a cycle that EventBridge fired is under way; waiting for it');
    await sleep(2_000);
  } else if (run.state === 'passed' || run.state === 'differences') {
    if (chatter === 'told') tellRun(demo, run);
    else
      story.result(`reconcile: ${run.state}; ${run.notes.find((note) => note.includes('rows drift ')) ?? 'no count'}`);
  } else {
    throw new DemoFailure(`reconcile ended as ${run.state}: ${run.error ?? run.reasons.join('; ')}`);
  }
  const { payload } = await commands.ask<DriftStatusPayload>('drift status');
  const { last } = payload.clock;
  if (last === null) return { startedAt: '', rows: 0, drift: 0, repaired: 0, status: payload };
  const repaired = payload.tables.reduce((sum, table) => sum + table.repaired, 0);
  return { startedAt: last.startedAt, rows: last.rows, drift: last.drift, repaired, status: payload };
}

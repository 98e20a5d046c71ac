/** Phase 4, reads: the canary, the third mishap (slow reads of the target), the automatic return, and the cutover that stays. */

import { clusterArn } from '../../local/adopt-plan.ts';
import { passDriftGate } from '../cycles.ts';
import type { Demo, DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { lookAtRun, runUntil, seconds, startRun, tellRun } from '../runs.ts';
import { sleep } from '../watch.ts';

export const cutoverPhase: DemoPhase = {
  title: 'Phase 4: cutover',
  about: 'reads move to the target by canary; a breaker sends them back when it is slow',
  limitSeconds: 180,
  run: async (demo) => {
    demo.traffic.hurryReads(HURRY.canary);
    await slowTarget(demo);
    // Its clock wants a cycle every 15 s; the refused run may have taken longer.
    demo.story.note('the drift gate is judged again, on a fresh cycle');
    await passDriftGate(demo);
    await runUntil(demo, 'start cutover', 'passed');
    demo.traffic.hurryReads(1);
    const { readsBy } = demo.traffic.counts();
    demo.story.result(`reads so far: ${readsBy.legacy} answered by legacy, ${readsBy.target} by the target`);
  },
};

/** More than twice `reads.timeout`. */
const SLOW_MS = 600;
/** Readers ask so many times as often: the canary is a small share of few reads, and has to show something in seconds. */
const HURRY = { canary: 2, mishap: 4 } as const;
const LIMIT_MS = 60_000;
const LOOK_MS = 300;

async function slowTarget(demo: Demo): Promise<void> {
  const { environment, story, facts, traffic } = demo;
  const run = await startRun(demo, 'start cutover');
  await untilStep(demo, run.id, 'watch-full');
  story.note('the canary was well, and the target answers every read');
  const before = traffic.counts().fallbacks;
  story.mishap(`mishap 3: reads of the target take ${SLOW_MS} ms longer (limit ${environment.plan.reads.timeout} ms)`);
  // The machine looks each second; the breaker, which counts failures in a row, is to be seen as well.
  traffic.hurryReads(HURRY.mishap);
  await environment.setFaults([{ cluster: clusterArn('target'), secret: 'target/read', latencyMs: SLOW_MS }]);
  const ended = await untilEnded(demo, run.id);
  if (ended.state !== 'refused') {
    throw new DemoFailure(
      `the target was slow, and cutover ended as ${ended.state}: ${ended.error ?? ended.reasons.join('; ')}`,
    );
  }
  tellRun(demo, ended);
  await environment.setFaults([]);
  traffic.hurryReads(HURRY.canary);
  const healedAt = performance.now();
  const fallbacks = differences(before, traffic.counts().fallbacks);
  const total = Object.values(fallbacks).reduce((sum, count) => sum + count, 0);
  if (total === 0) throw new DemoFailure('the target was slow, but no read fell back to legacy');
  // The machine asks for no fallback at all, and may look between the first slow read and the fifth in a row.
  const isOpened = fallbacks.open !== undefined;
  story.note(
    `legacy answered instead: ${Object.entries(fallbacks)
      .map(([why, count]) => `${count} x ${why}`)
      .join(', ')}; no read failed${isOpened ? '' : '; the machine was faster than the breaker'}`,
  );
  await untilLegacyReads(demo);
  const healedInMs = performance.now() - healedAt;
  story.healed(
    `healed: the machine returned all reads to legacy by itself; ${seconds(healedInMs)} after the fault ended legacy answers every read`,
  );
  facts.mishaps.push({
    what: 'slow reads of the target',
    handled: `${isOpened ? 'breaker opened, ' : ''}${total} reads fell back, cutover refused and returned the reads`,
    healedInMs,
  });
}

async function untilStep(demo: Demo, id: string, step: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const run = await lookAtRun(demo, id);
    if (run.step === step) return;
    if (run.endedAt !== null || run.state !== 'running')
      throw new DemoFailure(`cutover ended as ${run.state} before ${step}: ${run.error ?? run.reasons.join('; ')}`);
    if (performance.now() > deadline)
      throw new DemoFailure(`cutover did not come to ${step} in ${LIMIT_MS / 1000} s; it is in ${run.step}`);
    await sleep(LOOK_MS);
  }
}

async function untilEnded(demo: Demo, id: string) {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const run = await lookAtRun(demo, id);
    if (run.state !== 'running') return run;
    if (performance.now() > deadline)
      throw new DemoFailure(`the target was slow, and cutover went on in ${run.step} for ${LIMIT_MS / 1000} s`);
    await sleep(LOOK_MS);
  }
}

/** Caches of the router live for some seconds. */
async function untilLegacyReads({ watch, traffic }: Demo): Promise<void> {
  let before = traffic.counts().readsBy;
  await watch.until('legacy answers every read', 20_000, async () => {
    await sleep(1_000);
    const now = traffic.counts().readsBy;
    const isCalm = now.target === before.target && now.legacy > before.legacy;
    before = now;
    return isCalm;
  });
}

function differences(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(now).flatMap(([name, count]) =>
      count > (before[name] ?? 0) ? [[name, count - (before[name] ?? 0)]] : [],
    ),
  );
}

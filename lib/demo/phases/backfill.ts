/** Phase 3, history: the copy, and the first mishap: the target's server is gone for some seconds. */
import type { Demo, DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { runUntil, seconds } from '../runs.ts';
import { sleep } from '../watch.ts';

export const backfillPhase: DemoPhase = {
  title: 'Phase 3: backfill',
  about: 'history is copied through the same apply as live writes, so a slow copy never overwrites a newer write',
  limitSeconds: 120,
  run: async (demo) => {
    await runUntil(demo, 'start backfill', 'passed');
    await loseTarget(demo);
  },
};

const DOWN_MS = 4_000;
const HEAL_LIMIT_MS = 45_000;
/** Delivery has caught up when no event is older than this. */
const CALM_MS = 2_000;

async function loseTarget({ environment, story, traffic, watch, facts }: Demo): Promise<void> {
  const what = 'the target server is down';
  const target = environment.servers?.target;
  if (target === undefined) {
    story.mishap(`mishap 1, ${what}: skipped, because the server is yours`);
    facts.mishaps.push({ what, handled: 'skipped: your own server', healedInMs: null });
    return;
  }
  const before = traffic.counts().transactions;
  story.mishap(`mishap 1: ${what} (SIGKILL to all its processes)`);
  await target.kill('SIGKILL');
  await sleep(DOWN_MS);
  const waiting = await watch.undelivered();
  const written = traffic.counts().transactions - before;
  if (waiting === null || waiting.events === 0)
    throw new DemoFailure('the target was down, but no event waited for it');
  if (written === 0) throw new DemoFailure('the target was down, and the shop could not write to legacy');
  story.note(
    `the shop committed ${written} transactions meanwhile; ${waiting.events} events wait, the oldest for ${seconds(waiting.oldestMs)}`,
  );
  const startedAt = performance.now();
  await target.restart();
  story.note('the target server is started again; it recovers from its write-ahead log');
  await watch.until('delivery catches up', HEAL_LIMIT_MS, (now) => now !== null && now.oldestMs < CALM_MS);
  const healedInMs = performance.now() - startedAt;
  story.healed(`healed: every event that waited was delivered, ${seconds(healedInMs)} after the server came back`);
  facts.mishaps.push({ what, handled: `${waiting.events} events waited and were delivered`, healedInMs });
}

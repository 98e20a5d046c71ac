/** Waiting behind a fence until everything captured has ended (protocol §9.2): parked and dead-lettered events block. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import { type Direction, receiverOf } from '../../domain/direction.ts';
import { judgeGate } from '../../domain/gate.ts';
import { takeRepairs } from '../../sql/repair/repair-queue.ts';
import type { Deps } from '../deps.ts';
import { setAsideGate } from '../gates/set-aside-gate.ts';
import { again, judged, proceed, sinceOf } from '../machines/step.ts';
import { ensureRelay } from '../relay/ensure-relay.ts';
import { readHealth } from '../relay/health.ts';

/** Seconds between two looks, and the most looks of a drain: each is nine events of the 25 000 of an execution. */
const LOOK_EVERY_SECONDS = 1;
const MOST_LOOKS = 1_000;

export async function drainDirection(deps: Deps, run: Run, direction: Direction, data: unknown): Promise<StepResult> {
  if (run.dryRun) return proceed({ notes: [`would drain the ${direction} outbox behind the fence`] });
  const since = sinceOf(data) ?? deps.clock.now().getTime();
  const health = await readHealth(deps, direction);
  const repairs = (await deps.databases.open(receiverOf(direction), 'apply').query(takeRepairs(1))).length;
  const undelivered = health.pending + health.retry + repairs;
  const waited = deps.clock.now().getTime() - since;
  if (undelivered > 0 && health.parked + health.dead === 0 && waited < deps.plan.switchover.drainTimeout) {
    await ensureRelay(deps, direction);
    return again(Math.ceil(Math.max(LOOK_EVERY_SECONDS, deps.plan.switchover.drainTimeout / 1000 / MOST_LOOKS)), {
      data: { since },
      notes: [`${counted(undelivered, 'event')} left, the oldest ${health.oldestMs} ms old`],
    });
  }
  const measuredAt = new Date(health.at);
  const source = `crossfade.outbox and repair queue, ${direction}`;
  return judged(
    [
      judgeGate(
        {
          gate: 'drained',
          value: undelivered,
          threshold: 0,
          comparison: 'equals',
          unit: 'events',
          source,
          measuredAt,
          details: [`the drain was given ${deps.plan.switchover.drainTimeout} ms`],
        },
        deps.clock.now(),
      ),
      await setAsideGate(deps, 'nothing-set-aside', direction, null),
    ],
    { notes: [`drained in ${waited} ms`] },
  );
}

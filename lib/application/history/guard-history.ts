/** Before delivery counts: a history that was lost holds delivery, raises an incident, and waits for a person (protocol §8). */
import type { Mark } from '../../contracts/documents.ts';
import type { Direction } from '../../domain/direction.ts';
import type { Deps } from '../deps.ts';
import { seeIncident } from '../incidents/incidents.ts';
import { forgetHold } from '../relay/delivery-hold.ts';
import { checkHistory, type History } from './check-history.ts';

/**
 * How long an answer holds. A store that fails over or is restored does not answer for longer than this, so the first batch
 * after it is preceded by a check.
 */
const CHECK_EVERY_MS = 5_000;
/** Signs the hold on delivery, which `recover` takes away again. */
export const HOLDER = 'crossfade';

/** @returns whether delivery may not go on; shared by all shards of a relay. @throws {SqlError} when a store does not answer. */
export function historyGuard(deps: Deps, direction: Direction): () => Promise<boolean> {
  let answer: Promise<boolean> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = deps.clock.now().getTime();
    if (answer !== undefined && now - askedAt < CHECK_EVERY_MS) return answer;
    askedAt = now;
    answer = isLost(deps, direction).catch((error: unknown) => {
      // Unknown is not intact: the next one asks again.
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

async function isLost(deps: Deps, direction: Direction): Promise<boolean> {
  const history = await checkHistory(deps, direction);
  deps.metrics.record('historyLost', history.kind === 'lost' ? 1 : 0, { direction });
  if (history.kind === 'intact') return false;
  await raise(deps, direction, history);
  return true;
}

async function raise(
  deps: Deps,
  direction: Direction,
  { store, why }: Extract<History, { kind: 'lost' }>,
): Promise<void> {
  const now = deps.clock.now().toISOString();
  const says = `${store} was restored to an earlier state: ${why}; delivery is held; run: npx crossfade recover`;
  await seeIncident(deps, {
    kind: 'history-lost',
    store,
    subject: direction,
    says,
    count: 1,
    sample: [],
    firstAt: now,
    lastAt: now,
  });
  const control = await deps.documents.get('control', 'control');
  if (control?.value.deliveryHeld !== undefined) return;
  const deliveryHeld: Mark = {
    by: HOLDER,
    at: now,
    why: `${store} has lost a part of its history; run: npx crossfade recover`,
  };
  await deps.documents.put('control', 'control', { ...control?.value, deliveryHeld }, control?.version ?? 'absent');
  forgetHold(deps);
}

/** Lag, rates and set-aside events of one direction: metrics for alarms, and a document for `status` and gates. */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { type OutboxHealthRow, outboxHealth } from '../../sql/relay/outbox-health.ts';
import { type SetAsideRow, setAside } from '../../sql/relay/set-aside.ts';
import type { Deps } from '../deps.ts';

export interface OutboxHealth {
  readonly at: string;
  readonly windowMs: number;
  readonly pending: number;
  readonly retry: number;
  readonly parked: number;
  readonly dead: number;
  /** Age of the oldest undelivered event; 0 when all are delivered. */
  readonly oldestMs: number;
  /** Captured in the window and old enough to be delivered, and how many of those are. */
  readonly captured: number;
  readonly delivered: number;
  readonly undeliveredTenants: readonly string[];
  /** Events that wait for a person. */
  readonly setAside: readonly SetAsideRow[];
}

const SET_ASIDE_SHOWN = 20;

export async function readHealth(deps: Deps, direction: Direction): Promise<OutboxHealth> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const windowMs = deps.plan.dualWrite.drainWindow;
  const [row] = await source.query<OutboxHealthRow>(
    outboxHealth(windowMs, Math.min(deps.plan.dualWrite.lagLimit, windowMs / 2)),
  );
  if (row === undefined) throw new RangeError('the outbox always answers with one row of counts');
  const waiting = Number(row.parked) + Number(row.dead);
  return {
    at: deps.clock.now().toISOString(),
    windowMs,
    pending: Number(row.pending),
    retry: Number(row.retry),
    parked: Number(row.parked),
    dead: Number(row.dead),
    oldestMs: Math.max(0, Math.round(row.oldest_ms ?? 0)),
    captured: Number(row.captured),
    delivered: Number(row.delivered),
    undeliveredTenants: JSON.parse(row.pending_tenants),
    setAside: waiting === 0 ? [] : await source.query<SetAsideRow>(setAside(SET_ASIDE_SHOWN)),
  };
}

/** id of the progress document that `status` and `doctor` read. */
export function healthId(direction: Direction): string {
  return `relay/${direction}`;
}

export async function recordHealth(deps: Deps, direction: Direction): Promise<void> {
  const health = await readHealth(deps, direction);
  const { metrics } = deps;
  metrics.record('replicationLag', health.oldestMs, { store: receiverOf(direction) });
  metrics.record('undelivered', health.pending + health.retry, { direction });
  metrics.record('captured', health.captured, { direction });
  metrics.record('parked', health.parked, { direction });
  metrics.record('dead', health.dead, { direction });
  await deps.documents.put(
    'progress',
    healthId(direction),
    { work: healthId(direction), state: { ...health }, at: health.at },
    'any',
  );
}

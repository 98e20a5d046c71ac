/** Lag, rates and set-aside events of one direction: metrics for alarms, and a document for `status` and gates. */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { type OutboxHealthRow, outboxHealth, type TenantLag } from '../../sql/relay/outbox-health.ts';
import { type SetAsideGroup, type SetAsideRow, setAside, setAsideGroups } from '../../sql/relay/set-aside.ts';
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
  /** Events a second: captured in the window, and delivered of those. */
  readonly writeRate: number;
  readonly drainRate: number;
  /** Percent of what was captured in the window that is delivered; 100 when nothing was captured. */
  readonly drainPercent: number;
  readonly undeliveredTenants: readonly string[];
  /** Whose events wait longest, worst first. */
  readonly tenantLags: readonly TenantLag[];
  /** Events that wait for a person. */
  readonly setAside: readonly SetAsideRow[];
  /** The same by tenant and reason, all of them. */
  readonly setAsideGroups: readonly SetAsideGroup[];
}

const SET_ASIDE_SHOWN = 20;
const GROUPS_SHOWN = 100;

export async function readHealth(deps: Deps, direction: Direction): Promise<OutboxHealth> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const windowMs = deps.plan.dualWrite.drainWindow;
  const graceMs = Math.min(deps.plan.dualWrite.lagLimit, windowMs / 2);
  const [row] = await source.query<OutboxHealthRow>(outboxHealth(windowMs, graceMs));
  if (row === undefined) throw new RangeError('the outbox always answers with one row of counts');
  const waiting = Number(row.parked) + Number(row.dead);
  const captured = Number(row.captured);
  const delivered = Number(row.delivered);
  const perSecond = (events: number) => Math.round((events * 100_000) / (windowMs - graceMs)) / 100;
  return {
    at: deps.clock.now().toISOString(),
    windowMs,
    pending: Number(row.pending),
    retry: Number(row.retry),
    parked: Number(row.parked),
    dead: Number(row.dead),
    oldestMs: Math.max(0, Math.round(row.oldest_ms ?? 0)),
    captured,
    delivered,
    writeRate: perSecond(captured),
    drainRate: perSecond(delivered),
    drainPercent: captured === 0 ? 100 : Math.round((10_000 * delivered) / captured) / 100,
    undeliveredTenants: JSON.parse(row.pending_tenants),
    tenantLags: JSON.parse(row.tenant_lags),
    setAside: waiting === 0 ? [] : await source.query<SetAsideRow>(setAside(SET_ASIDE_SHOWN)),
    setAsideGroups: waiting === 0 ? [] : await source.query<SetAsideGroup>(setAsideGroups(GROUPS_SHOWN)),
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
  metrics.record('writeRate', health.writeRate, { direction });
  metrics.record('drainRate', health.drainRate, { direction });
  metrics.record('drainPercent', health.drainPercent, { direction });
  metrics.record('parked', health.parked, { direction });
  metrics.record('dead', health.dead, { direction });
  await deps.documents.put(
    'progress',
    healthId(direction),
    { work: healthId(direction), state: { ...health }, at: health.at },
    'any',
  );
}

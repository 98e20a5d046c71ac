/** The relay of one direction: claims, delivers, marks, until its time is up. Several may run: leases keep them apart, versions keep them safe. */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { retryDelay } from '../../domain/retry-schedule.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import { type ControlRow, directionInForce } from '../../sql/compare/direction-in-force.ts';
import { type ClaimedRow, type ClaimRequest, claimEvents } from '../../sql/relay/claim-events.ts';
import { type EventMark, markEvents } from '../../sql/relay/mark-events.ts';
import { releaseLease } from '../../sql/relay/release-lease.ts';
import type { Deps } from '../deps.ts';
import { historyGuard } from '../history/guard-history.ts';
import { carryOutRecovery } from '../history/recover.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { carryOutRedrive } from '../operate/carry-out-redrive.ts';
import { carryOutTraces } from '../operate/carry-out-traces.ts';
import { carryOutUndos } from '../operate/carry-out-undos.ts';
import { MEASURE_EVERY_MS, recordSizes } from '../retention/measure.ts';
import { RETENTION_EVERY_MS, retentionOf } from '../retention/retention.ts';
import { isEverybodys } from '../rows/bisect.ts';
import { mendDoors } from '../tenants/exposure.ts';
import { adoptNewTenants } from './adopt-tenants.ts';
import { type Claimed, deliver, toClaimed } from './deliver.ts';
import { forgetHold, isDeliveryHeld } from './delivery-hold.ts';
import { followMoves } from './follow-moves.ts';
import { recordHealth } from './health.ts';
import { type MarkedBatch, noteMarks } from './note-marks.ts';
import { sweepRetries } from './sweep-retries.ts';
import { workRepairQueue } from './work-repair-queue.ts';

export interface RelayReport {
  readonly delivered: number;
  readonly batches: number;
}

/** Health is recorded, queued repairs are worked and lost retries are swept at these intervals, by the holder of shard 0. */
const HEALTH_EVERY_MS = 2_000;
const REPAIR_EVERY_MS = 1_000;
const RECOVER_EVERY_MS = 3_000;
const REDRIVE_EVERY_MS = 3_000;
const UNDO_EVERY_MS = 3_000;
const TRACE_EVERY_MS = 2_000;
const SWEEP_EVERY_MS = 30_000;
const DOORS_EVERY_MS = 10_000;
const CHORE_PAUSES = 20;
/** A relay that waits for another one's lease looks this often: the longest gap when one follows the other. */
const TAKE_OVER_LOOK_MS = 500;
/** A tenant whose events failed gets a small share of each claim for this long. */
const TROUBLE_MS = 10_000;

export interface RelayOptions {
  readonly until: Date;
  /** Whether to wait for shards that another relay holds, to take over from it, or to leave them to it. Default true. */
  readonly takesOver?: boolean;
}

/** Runs every shard of a direction until `until`. Returns at once when authority lies with the other direction. */
export async function runRelay(deps: Deps, direction: Direction, options: RelayOptions): Promise<RelayReport> {
  const migration = await loadMigration(deps);
  const holder = deps.newId();
  forgetHold(deps);
  const isHistoryLost = historyGuard(deps, direction);
  const shards = Array.from({ length: deps.plan.relay.shards }, (_, shard) =>
    runShard(migration, direction, shard, holder, options, isHistoryLost),
  );
  const reports = await Promise.all(shards);
  return {
    delivered: reports.reduce((sum, report) => sum + report.delivered, 0),
    batches: reports.reduce((sum, report) => sum + report.batches, 0),
  };
}

async function runShard(
  migration: Migration,
  direction: Direction,
  shard: number,
  holder: string,
  { until, takesOver = true }: RelayOptions,
  isHistoryLost: () => Promise<boolean>,
): Promise<RelayReport> {
  const { deps } = migration;
  const { plan, clock, log } = deps;
  const chores = shard === 0 ? choresOf(migration, direction) : NO_CHORES;
  const turns: Turns = { limit: plan.relay.batchRows, afterTenant: null, troubledUntil: new Map() };
  let delivered = 0;
  let batches = 0;
  let idle = 0;
  while (clock.now() < until) {
    try {
      if ((await isDeliveryHeld(deps)) || (await isHistoryLost())) {
        // The lag of a held delivery must be seen, and questions are answered all the same.
        if (!(await isInForce(deps, direction))) break;
        for (const chore of chores.always) await chore();
        await clock.sleep(plan.relay.poll);
        continue;
      }
      const batchId = `${holder.slice(0, 8)}-${shard}-${batches}`;
      const step = await deliverNext(migration, direction, shard, holder, batchId, turns);
      if (step === 'not-in-force' || (step === 'elsewhere' && !takesOver)) break;
      if (step === 'elsewhere') {
        await clock.sleep(TAKE_OVER_LOOK_MS);
        continue;
      }
      for (const chore of [...chores.always, ...chores.delivering]) await chore();
      if (step === 0 && turns.afterTenant === null) {
        // Backs off to the longest poll while there is nothing to do: 25, 50, 100 … ms.
        idle = Math.min(idle + 1, 8);
        await clock.sleep(Math.min(plan.relay.poll, 25 * 2 ** (idle - 1)));
        continue;
      }
      idle = 0;
      delivered += step;
      batches += 1;
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      // A store that is down or resuming suspends claiming; no event is burnt (design §3.4).
      log.warn('delivery is suspended', {
        direction,
        shard,
        kind: error.kind,
        reason: error.message,
        againInMs: plan.relay.suspend,
      });
      deps.metrics.record('errorRate', 100, { store: receiverOf(direction) });
      await runWhatStillCan(chores.always);
      await clock.sleep(plan.relay.suspend);
    }
  }
  await release(migration, direction, shard, holder);
  return { delivered, batches };
}

/** @returns how many events ended; `not-in-force` when this direction has no authority, `elsewhere` while another relay has the shard. */
async function deliverNext(
  migration: Migration,
  direction: Direction,
  shard: number,
  holder: string,
  batchId: string,
  turns: Turns,
): Promise<number | 'not-in-force' | 'elsewhere'> {
  const { deps } = migration;
  const { plan, metrics } = deps;
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const request = { direction, shard, shards: plan.relay.shards, holder, leaseMs: plan.relay.lease };
  const rows = await claimWithin(source, request, turns, plan.relay.batchRows, deps.clock.now());
  const [first] = rows;
  turns.afterTenant = first?.after_tenant ?? null;
  if (first === undefined || !first.in_force) return 'not-in-force';
  if (!first.held) return 'elsewhere';
  const suppressed = Number(first.suppressed);
  const claimed = await adoptNewTenants(migration, direction, toClaimed(rows));
  if (claimed.events.length === 0) return suppressed;

  const marks = await followMoves(migration, direction, claimed, await deliver(migration, direction, claimed, batchId));
  await recordMarks(deps, direction, marks, { id: batchId, events: claimed.events });
  noteTrouble(turns, claimed, marks, deps.clock.now());
  // Whoever waits, waits for a parent that was just queued: it is brought at once, and not at the chore's next turn.
  if (marks.some(({ state }) => state === 'pending')) await workRepairQueue(migration, direction);
  const failed = marks.filter((mark) => mark.state === 'retry' || mark.state === 'parked').length;
  metrics.record('errorRate', marks.length === 0 ? 0 : (100 * failed) / marks.length, { store: receiverOf(direction) });
  metrics.record('delivered', marks.length - failed, { direction });
  // Events that wait for a parent are no progress: counting them would make the relay spin.
  return suppressed + marks.filter((mark) => mark.state !== 'pending').length;
}

/** A claim's answer may be too large for the Data API, where keys are long: then it asks for less, and slowly for more again. */
async function claimWithin(
  source: SqlStore,
  request: Omit<ClaimRequest, 'limit' | 'troubled' | 'afterTenant'>,
  turns: Turns,
  most: number,
  now: Date,
): Promise<readonly ClaimedRow[]> {
  const troubled = troubledTenants(turns, now);
  for (;;) {
    const { limit, afterTenant } = turns;
    try {
      const rows = await source.query<ClaimedRow>(claimEvents({ ...request, limit, troubled, afterTenant }));
      turns.limit = Math.min(most, limit + Math.ceil(most / 100));
      return rows;
    } catch (error) {
      if (!(error instanceof SqlError) || error.kind !== 'limit' || limit === 1) throw error;
      turns.limit = limit >> 1;
    }
  }
}

/** Whose turn it is in one shard. */
interface Turns {
  /** Events of the next claim. */
  limit: number;
  afterTenant: string | null;
  /** Tenants whose events failed lately, and until when they get a small share of each claim. */
  readonly troubledUntil: Map<string, number>;
}

function troubledTenants({ troubledUntil }: Turns, now: Date): readonly string[] {
  for (const [tenant, until] of troubledUntil) if (until <= now.getTime()) troubledUntil.delete(tenant);
  return [...troubledUntil.keys()];
}

function noteTrouble({ troubledUntil }: Turns, { events }: Claimed, marks: readonly EventMark[], now: Date): void {
  const failed = new Set(marks.filter(({ state }) => state === 'retry' || state === 'parked').map(({ seq }) => seq));
  if (failed.size === 0) return;
  for (const { seq, newTenant, oldTenant } of events) {
    if (failed.has(String(seq))) troubledUntil.set(newTenant ?? oldTenant ?? NO_TENANT, now.getTime() + TROUBLE_MS);
  }
}

/** Marks first, then queues: a message that is lost in between is found by the sweep. */
export async function recordMarks(
  deps: Deps,
  direction: Direction,
  marks: readonly EventMark[],
  batch?: MarkedBatch | undefined,
): Promise<void> {
  if (marks.length === 0) return;
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const began = deps.clock.now().getTime();
  const recorded = await source.query<{ readonly seq: string }>(markEvents(marks));
  deps.metrics.record('writeLatency', deps.clock.now().getTime() - began, { store: sourceOf(direction) });
  const own = new Set(recorded.map(({ seq }) => seq));
  const ours = marks.filter(({ seq }) => own.has(seq));
  await noteMarks(deps, direction, ours, batch);
  await sendRetries(deps, direction, ours, batch);
}

async function sendRetries(
  deps: Deps,
  direction: Direction,
  marks: readonly EventMark[],
  batch: MarkedBatch | undefined,
): Promise<void> {
  const retries = marks.filter(({ state }) => state === 'retry');
  if (retries.length === 0) return;
  const correlations = new Map(batch?.events.map(({ seq, correlationId }) => [String(seq), correlationId]));
  const messages = retries.map(({ seq, reason = '' }) => ({
    direction,
    seq,
    correlationId: correlations.get(seq) ?? null,
    reason,
  }));
  const { backoff, suspend } = deps.plan.relay;
  try {
    await deps.queues.send(direction, messages, Math.ceil(retryDelay(backoff, 1, Math.random()) / 1000));
  } catch (error) {
    // Without a queue nobody counts tries; the relay itself tries again, and the messages that did go find nothing to do.
    deps.log.warn('the retry queue took no messages; their events are pending again', {
      direction,
      events: retries.length,
      reason: String(error),
    });
    const reason = 'the retry queue could not be reached';
    await deps.databases
      .open(sourceOf(direction), 'relay')
      .query(markEvents(retries.map(({ seq }) => ({ seq, state: 'pending', reason, waitMs: suspend }))));
  }
}

type Chore = () => Promise<void>;

interface Chores {
  /** Need the source only, and go on while delivery is held or the receiver is down: that is when people look. */
  readonly always: readonly Chore[];
  readonly delivering: readonly Chore[];
}

const NO_CHORES: Chores = { always: [], delivering: [] };

function choresOf(migration: Migration, direction: Direction): Chores {
  const { deps } = migration;
  const retain = retentionOf(deps);
  return {
    always: [
      every(deps, HEALTH_EVERY_MS, () => recordHealth(deps, direction)),
      every(deps, TRACE_EVERY_MS, () => carryOutTraces(migration)),
      every(deps, REDRIVE_EVERY_MS, () => carryOutRedrive(deps, direction)),
      every(deps, RECOVER_EVERY_MS, () => carryOutRecovery(deps, direction)),
      ...(direction === 'forward' ? [every(deps, UNDO_EVERY_MS, () => carryOutUndos(migration))] : []),
    ],
    delivering: [
      every(deps, REPAIR_EVERY_MS, () => workRepairQueue(migration, direction)),
      every(deps, SWEEP_EVERY_MS, () => sweepRetries(deps, direction)),
      every(deps, DOORS_EVERY_MS, () => mendDoors(deps, direction)),
      every(deps, RETENTION_EVERY_MS, async () => {
        await retain();
      }),
      every(deps, MEASURE_EVERY_MS, () => recordSizes(deps)),
    ],
  };
}

/** It is the receiver that is down, or the source: then these cannot run either. */
async function runWhatStillCan(chores: readonly Chore[]): Promise<void> {
  try {
    for (const chore of chores) await chore();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
  }
}

async function isInForce(deps: Deps, direction: Direction): Promise<boolean> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const [control] = await source.query<ControlRow>(directionInForce);
  return control?.direction === direction;
}

function every(deps: Deps, intervalMs: number, work: () => Promise<unknown>): () => Promise<void> {
  let next = 0;
  return async () => {
    const began = deps.clock.now().getTime();
    if (began < next) return;
    next = began + intervalMs;
    try {
      await work();
      // A chore that is slow, because the backlog is long, takes at most a twentieth of delivery's time.
      const ended = deps.clock.now().getTime();
      next = Math.max(next, ended + CHORE_PAUSES * (ended - began));
    } catch (error) {
      // A store that is down is the loop's matter; anything else (a table, a queue, a statement that is too long) must not hold up delivery.
      if (error instanceof SqlError && isEverybodys(error)) throw error;
      const ended = deps.clock.now().getTime();
      next = Math.max(next, ended + CHORE_PAUSES * (ended - began));
      deps.log.warn('a chore of the relay failed; delivery goes on', { reason: String(error) });
    }
  };
}

async function release(migration: Migration, direction: Direction, shard: number, holder: string): Promise<void> {
  try {
    await migration.deps.databases
      .open(sourceOf(direction), 'relay')
      .query(releaseLease(`relay/${direction}/${shard}`, holder));
  } catch (error) {
    migration.deps.log.warn('the lease was not released; it lapses by itself', {
      direction,
      shard,
      reason: String(error),
    });
  }
}

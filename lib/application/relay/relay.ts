/** The relay of one direction: claims, delivers, marks, until its time is up. Several may run: leases keep them apart, versions keep them safe. */
import type { Direction } from '../../domain/direction.ts';
import { receiverOf, sourceOf } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import { type ControlRow, directionInForce } from '../../sql/compare/direction-in-force.ts';
import { releaseLease } from '../../sql/relay/release-lease.ts';
import type { Deps } from '../deps.ts';
import { historyGuard } from '../history/guard-history.ts';
import { failedUninstalled, isUninstalled } from '../install/made.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { adoptNewTenants } from './adopt-tenants.ts';
import { choresOf, NO_CHORES, runWhatStillCan } from './chores.ts';
import { deliver, toClaimed } from './deliver.ts';
import { forgetHold, isDeliveryHeld } from './delivery-hold.ts';
import { followMoves } from './follow-moves.ts';
import { recordMarks } from './record-marks.ts';
import { claimWithin, firstTurn, noteTrouble, type Turns } from './turns.ts';
import { workRepairQueue } from './work-repair-queue.ts';

export interface RelayReport {
  readonly delivered: number;
  readonly batches: number;
}

/** A relay that waits for another one's lease looks this often: the longest gap when one follows the other. */
const TAKE_OVER_LOOK_MS = 500;
export interface RelayOptions {
  readonly until: Date;
  /** Whether to wait for shards that another relay holds, to take over from it, or to leave them to it. Default true. */
  readonly takesOver?: boolean;
}

/**
 * Runs every shard of a direction until `until`. Returns at once when authority lies with the other direction, or where nothing is
 * installed: before dual-write, and when the schema was rolled back.
 */
export async function runRelay(deps: Deps, direction: Direction, options: RelayOptions): Promise<RelayReport> {
  if (await isUninstalled(deps)) return { delivered: 0, batches: 0 };
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
  const turns = firstTurn(plan.relay.batchRows);
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
      if (await failedUninstalled(deps, error)) return { delivered, batches };
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

async function isInForce(deps: Deps, direction: Direction): Promise<boolean> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const [control] = await source.query<ControlRow>(directionInForce);
  return control?.direction === direction;
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

/**
 * Convergence under every order: the events of one change are delivered one at a time (as shards and retries may), in many
 * orders, some twice, with repairs in between; then the relay settles the rest, and both stores must be equal.
 */
import { expect } from 'vitest';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import type { Migration } from '../../lib/application/migration.ts';
import { type ClaimedEvent, deliver, toClaimed } from '../../lib/application/relay/deliver.ts';
import { recordMarks } from '../../lib/application/relay/record-marks.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import { workRepairQueue } from '../../lib/application/relay/work-repair-queue.ts';
import { turnOn } from '../../lib/application/tenants/exposure.ts';
import { type ClaimedRow, claimEvents } from '../../lib/sql/relay/claim-events.ts';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import type { TestMigration } from './migration.ts';
import { seededRandom } from './seeded-random.ts';

export interface Change {
  /** Rows before; `n` keeps the keys of one order apart from those of another. Statements in one text. */
  readonly before: (n: number) => string;
  readonly change: (n: number) => string;
}

/** Orders that are tried for each change: all of them up to this many, else a seeded choice. */
const ORDERS = 24;
const SETTLE_MS = 50_000;
/** Keys of one order: `n` to `n + 99`. */
const STRIDE = 100;

let nextBase = 1_000;

/** Installs everything, with these tenants on. */
export async function startConverging(test: TestMigration, tenants: readonly string[]): Promise<void> {
  await installSchemas(test.deps);
  const migration = await test.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', ...tenants])
    await turnOn(test.deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why: 'test' });
}

/** @returns how many orders were tried. Fails with the order in which the stores differ. */
export async function convergeInEveryOrder(test: TestMigration, { before, change }: Change): Promise<number> {
  const migration = await test.load();
  const known = new Set(await differences(test, migration));
  const bases = Array.from({ length: ORDERS }, () => (nextBase += STRIDE));
  await test.legacy.query(bases.map(before).join(';\n'));
  await settle(test);

  let tried = 0;
  for (const [index, n] of bases.entries()) {
    const earlier = await highestSeq(test);
    await test.legacy.query(change(n));
    const random = seededRandom(index + 1);
    const claimed = await claimAll(migration);
    const events = claimed.events.filter(({ seq }) => seq > earlier);
    // Fewer orders than rounds: the rest goes through the relay's own batches.
    const order = ordersOf(events.length)[index];
    if (order === undefined) continue;
    tried += 1;
    for (const position of order) {
      const event = events[position];
      if (event === undefined) continue;
      await deliverAlone(migration, claimed.authority, event);
      if (random() < 0.3) await deliverAlone(migration, claimed.authority, event);
      if (random() < 0.3) await workRepairQueue(migration, 'forward');
    }
    // A delay of a second is a matter of the clock and not of the order.
    await test.legacy.query('UPDATE crossfade.outbox SET not_before = NULL WHERE not_before IS NOT NULL');
  }
  await settle(test);
  // What an earlier test left different is that one's failure.
  expect((await differences(test, migration)).filter((row) => !known.has(row))).toEqual([]);
  return tried;
}

/** Runs the relay, in its shards, until every event has ended and no row is waiting to be repaired. */
export async function settle(test: TestMigration): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    await runRelay(test.deps, 'forward', { until: new Date(Date.now() + 150) });
    await test.deps.databases.open('legacy', 'relay').query(redriveEvents(['retry']));
    const events = (
      await test.legacy.query(
        `SELECT table_name, row_key, op, state, reason FROM crossfade.outbox WHERE state IN ('pending', 'retry', 'parked', 'dead')`,
      )
    ).rows;
    const repairs = (await test.target.query('SELECT table_name, row_key, reason FROM crossfade.repair_queue')).rows;
    if (events.length === 0 && repairs.length === 0) return;
    if (Date.now() > deadline || events.some(({ state }) => state === 'parked' || state === 'dead'))
      throw new Error(`not settled: ${JSON.stringify({ events, repairs }, null, 1)}`);
  }
}

/** Every row of every table, by plain SQL: what one store has and the other has not. */
export async function expectEqualStores(test: TestMigration, migration: Migration): Promise<void> {
  expect(await differences(test, migration)).toEqual([]);
}

async function differences(test: TestMigration, migration: Migration): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of migration.tables) {
    const sql = `SELECT r::text AS row FROM "${table.schema}"."${table.relation}" AS r`;
    const rowsOf = async (store: 'legacy' | 'target') =>
      new Set((await test[store].query<{ row: string }>(sql)).rows.map(({ row }) => row));
    const [legacy, target] = [await rowsOf('legacy'), await rowsOf('target')];
    found.push(...[...legacy.difference(target)].map((row) => `${table.name} only in legacy: ${row}`));
    found.push(...[...target.difference(legacy)].map((row) => `${table.name} only in target: ${row}`));
  }
  return found;
}

async function claimAll(migration: Migration) {
  const source = migration.deps.databases.open('legacy', 'relay');
  const claim = {
    direction: 'forward',
    shard: 0,
    shards: 1,
    holder: 'by hand',
    leaseMs: 1,
    limit: 10_000,
    troubled: [],
    afterTenant: null,
  } as const;
  const claimed = toClaimed(await source.query<ClaimedRow>(claimEvents(claim)));
  await source.query({ text: 'DELETE FROM crossfade.lease', values: [] });
  return claimed;
}

async function deliverAlone(migration: Migration, authority: string, event: ClaimedEvent): Promise<void> {
  const marks = await deliver(migration, 'forward', { authority, events: [event] }, 'alone');
  await recordMarks(migration.deps, 'forward', marks);
}

async function highestSeq(test: TestMigration): Promise<bigint> {
  const { rows } = await test.legacy.query('SELECT coalesce(max(seq), 0) AS seq FROM crossfade.outbox');
  return BigInt(rows[0].seq);
}

/** All orders of 0..count-1, or a seeded choice when there are more than are tried. */
function ordersOf(count: number): readonly (readonly number[])[] {
  if (count > 4) return Array.from({ length: ORDERS }, (_, seed) => shuffled(count, seededRandom(seed + 7)));
  const extend = (done: readonly number[]): readonly (readonly number[])[] =>
    done.length === count
      ? [done]
      : Array.from({ length: count }, (_, next) => next)
          .filter((next) => !done.includes(next))
          .flatMap((next) => extend([...done, next]));
  return extend([]);
}

function shuffled(count: number, random: () => number): readonly number[] {
  return Array.from({ length: count }, (_, value) => ({ value, rank: random() }))
    .toSorted((one, other) => one.rank - other.rank)
    .map(({ value }) => value);
}

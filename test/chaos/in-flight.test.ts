/**
 * In flight is not drift (design §4): while an application writes and every step of the relay is late at random, cycles report
 * no row that does not differ for good, and each difference that somebody plants in the target is found within two cycles.
 *
 * The rate is of row writes: a cycle begins only while as many were captured as the time since the first one asks for, so that a
 * slow machine takes longer and proves the same. IN_FLIGHT_SEED repeats the writes, the delays and what is planted;
 * IN_FLIGHT_CYCLES, IN_FLIGHT_WRITES (a second) and IN_FLIGHT_PLANTS make it longer or harder.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { fenceStore, installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { type Migration, tableNamed } from '../../lib/application/migration.ts';
import type { DriftRow } from '../../lib/application/reconcile/settle-round.ts';
import { repairKeys } from '../../lib/application/rows/apply-reads.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import { runCycle } from '../support/cycle-steps.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { testServers } from '../support/postgres.ts';
import { aRun } from '../support/run.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { COLD_SQL, type Plant, Planter } from './planted-drift.ts';
import { type RelayWorker, startWorker } from './stage.ts';
import { SEED_ROWS, startTraffic, TRAFFIC_SQL, type Traffic } from './traffic.ts';

const seed = Number(process.env.IN_FLIGHT_SEED ?? Math.floor(Math.random() * 1e6));
const CYCLES = Number(process.env.IN_FLIGHT_CYCLES ?? 200);
const WRITES_PER_SECOND = Number(process.env.IN_FLIGHT_WRITES ?? 500);
const PLANTS = Number(process.env.IN_FLIGHT_PLANTS ?? 50);
const MINUTE = 60_000;
/**
 * Cycles that run at once, each with its own log: one machine would refuse them, and 200 of them would take twice the time. As the
 * schedule runs them: a window after each full pass, by a clock that makes each one due.
 */
const LANES: readonly Lane[] = [
  { name: 'full, fast', scopeKind: 'full', digest: 'fast', skipMs: 0 },
  { name: 'full, exact', scopeKind: 'full', digest: 'exact', skipMs: 0 },
  { name: 'due', scopeKind: 'due', digest: 'auto', skipMs: MINUTE },
];
/** Rows that go back and forth between two states, of which one is always that of a moment ago. */
const FLIPPED = 7_000_000;

const PLAN = `
tenants: { column: tenant_id }
tables: { accounts: , entries: { tenant: { parent: accounts, on: { account_id: id } } } }
relay: { shards: 4, batchRows: 400, poll: 50ms, suspend: 300ms, lease: 10s }
reconcile: { cycle: 1h, fullEvery: 1h, chunkRows: 5000, recheckAfter: 60ms, haltDriftPercent: 100, repair: { automatic: false } }
`;
const random = seededRandom(seed);

interface Lane {
  readonly name: string;
  readonly scopeKind: 'full' | 'due';
  readonly digest: 'fast' | 'exact' | 'auto';
  /** Its clock is so much further on at each cycle. */
  readonly skipMs: number;
}

let test: TestMigration;
let migration: Migration;
let relay: RelayWorker;
let traffic: Traffic;
/** Several lanes ask at once. */
let observed: Readonly<Record<StoreName, pg.Pool>>;
let rogue: pg.Client;
let planter: Planter;
let flippers: { stop(): Promise<void> };
const falseDrift: unknown[] = [];
const missed: unknown[] = [];
let cycles = 0;
let windows = 0;
let started = 0;
let unsettled = 0;
let converged = 0;
let inFlight = 0;
let rows = 0;

beforeAll(async () => {
  test = await aMigration({
    plan: PLAN,
    legacySql: TRAFFIC_SQL('DEFERRABLE INITIALLY DEFERRED'),
    targetSql: TRAFFIC_SQL(''),
  });
  await installSchemas(test.deps);
  migration = await test.load();
  await installCapture(migration, 'forward');
  await fenceStore(migration, 'target');
  for (const tenant of ['*', 'acme', 'globex'])
    await turnOn(test.deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'test' });
  await test.legacy.query(`${SEED_ROWS}; ${COLD_SQL};
INSERT INTO accounts SELECT ${FLIPPED} + i, 'acme', 'flip' || i, 0 FROM generate_series(1, 8) AS i;
INSERT INTO entries SELECT ${FLIPPED} + i, 1, 0 FROM generate_series(1, 8) AS i`);
  observed = {
    legacy: new pg.Pool({ connectionString: urlOf('legacy') }),
    target: new pg.Pool({ connectionString: urlOf('target') }),
  };
  const frozen = new Set<string>();
  rogue = new pg.Client({ connectionString: urlOf('target') });
  await rogue.connect();
  await rogue.query(`SET SESSION AUTHORIZATION "${test.roles.apply}"`);
  planter = new Planter(observed, rogue, frozen, random);
  relay = startWorker({
    urls: { legacy: urlOf('legacy'), target: urlOf('target') },
    roles: test.roles,
    plan: PLAN,
    seconds: 900,
    delays: { seed, maxMs: 2_000 },
  });
  // The relay is up.
  await vi.waitUntil(async () => (await test.target.query('SELECT FROM entries LIMIT 1')).rowCount === 1, 60_000);
  traffic = startTraffic(urlOf('legacy'), random, {
    sessions: 6,
    perSecond: WRITES_PER_SECOND,
    frozen,
    roughPerMille: 15,
  });
  flippers = await startFlipping();
});

afterAll(async () => {
  await traffic?.stop();
  await flippers?.stop();
  await relay?.stop();
  await rogue?.end();
  await observed?.legacy.end();
  await observed?.target.end();
  await test?.close();
});

describe(`${CYCLES} cycles under ${WRITES_PER_SECOND} writes a second (seed ${seed})`, () => {
  it('report no false drift, and find each planted difference within two cycles', { timeout: 600_000 }, async () => {
    const began = Date.now();
    const wrote = traffic.transactions();
    const captured = await capturedRows();

    const keepsUp = async () => (await capturedRows()) - captured >= (WRITES_PER_SECOND * (Date.now() - began)) / 1_000;
    await Promise.all(LANES.map((lane) => runLane(lane, keepsUp)));

    const seconds = (Date.now() - began) / 1_000;
    const perSecond = (count: number) => (count / seconds).toFixed(0);
    const rowWrites = (await capturedRows()) - captured;
    const found = planter.plants.filter((plant) => plant.found);
    console.info(
      `in flight: seed ${seed}, ${cycles} cycles (${windows} windows) in ${seconds.toFixed(0)} s, ${perSecond(rowWrites)} row writes in ${perSecond(traffic.transactions() - wrote)} transactions a second, ${rows} rows compared; ${found.length} planted differences found, ${planter.plants.length - found.length} overwritten; ${inFlight} times a row in flight, ${converged} times one that converged, ${unsettled} times one that did not stand still`,
    );
    expect(falseDrift).toEqual([]);
    expect(missed).toEqual([]);
    expect(found.length).toBeGreaterThanOrEqual(PLANTS);
    expect(cycles).toBeGreaterThanOrEqual(CYCLES);
    expect([...traffic.failures]).toEqual([]);
    // Or the silence above would mean nothing.
    expect(windows).toBeGreaterThanOrEqual(Math.min(10, CYCLES / 20));
    expect(inFlight).toBeGreaterThan(10 * cycles);
    expect(converged).toBeGreaterThan(cycles);
  });
});

async function capturedRows(): Promise<number> {
  const { rows: sequence } = await observed.legacy.query<{ n: string }>(
    'SELECT last_value AS n FROM crossfade.outbox_seq',
  );
  return Number(sequence[0]?.n);
}

async function runLane(lane: Lane, keepsUp: () => Promise<boolean>): Promise<void> {
  let skippedMs = 0;
  const clock = { ...test.deps.clock, now: () => new Date(test.deps.clock.now().getTime() + skippedMs) };
  const plan = {
    ...test.deps.plan,
    reconcile: { ...test.deps.plan.reconcile, digest: lane.digest, cycle: MINUTE, fullEvery: 2 * MINUTE },
  };
  const documents = createMemoryDocuments();
  const deps: Deps = { ...test.deps, plan, clock, documents, objects: createMemoryObjects() };
  await mirrorTenants(deps, 'forward');
  const isDone = () => started >= CYCLES && planter.open().length === 0 && foundSoFar() >= PLANTS;
  while (!isDone() && falseDrift.length === 0 && missed.length === 0) {
    await vi.waitUntil(keepsUp, { timeout: MINUTE, interval: 50 });
    started += 1;
    if (foundSoFar() + planter.open().length < PLANTS && started % 2 === 0) await planter.plant();
    const began = Date.now();
    const run = aRun({
      machine: 'reconcile',
      scope: ['acme', 'globex'],
      scopeKind: lane.scopeKind,
      startedAt: clock.now().toISOString(),
    });
    const { settling, document } = await runCycle(deps, run);
    skippedMs += lane.skipMs;
    cycles += 1;
    if (document.scopeKind === 'window') windows += 1;
    rows += document.rows;
    for (const table of document.tables) {
      converged += table.converged ?? 0;
      inFlight += table.inFlight;
      unsettled += table.unsettled;
    }
    await judge(lane.name, began, settling.drift);
  }
}

const foundSoFar = () => planter.plants.filter((plant) => plant.found).length;

/** What a cycle found, against what is known to be true. */
async function judge(lane: string, began: number, drift: readonly DriftRow[]): Promise<void> {
  for (const row of drift) {
    const plant = planter.plants.find(
      ({ table, rowKey, endedAt = Number.POSITIVE_INFINITY }) =>
        table === row.table && rowKey === row.rowKey && endedAt >= began,
    );
    if (plant === undefined) falseDrift.push({ ...row, ...(await historyOf(row.table, row.rowKey)) });
    else if (!plant.found) {
      plant.found = true;
      await mend(plant);
    }
  }
  for (const plant of planter.open()) {
    if (plant.standsSince === undefined) {
      await planter.look(plant);
      continue;
    }
    if (began < plant.standsSince || plant.found) continue;
    const read = (plant.cycles.get(lane) ?? 0) + 1;
    plant.cycles.set(lane, read);
    if (read < 2) continue;
    // A transaction that was open when the traffic let go of the row may have come since.
    if ((await planter.look(plant)) === 'stands')
      missed.push({ plant: { ...plant }, ...(await historyOf(plant.table, plant.rowKey)) });
  }
}

/** By the product's own repair, while everything else goes on. */
async function mend(plant: Plant): Promise<void> {
  await repairKeys(migration, tableNamed(migration, plant.table), 'forward', [plant.rowKey], 'in-flight-test');
  planter.end(plant);
}

/** Accounts that change between two states, and entries that go and come back as they were. */
async function startFlipping(): Promise<{ stop(): Promise<void> }> {
  let stopped = false;
  const flip = async (n: number) => {
    const client = new pg.Client({ connectionString: urlOf('legacy') });
    await client.connect();
    for (let turn = 0; !stopped; turn++) {
      const i = n * 2 + (turn % 2) + 1;
      const id = FLIPPED + i;
      const flop = `UPDATE accounts SET handle = CASE handle WHEN 'flip${i}' THEN 'flop${i}' ELSE 'flip${i}' END WHERE id = ${id}`;
      await client.query(flop);
      await client.query(`DELETE FROM entries WHERE account_id = ${id}`);
      if (random() < 0.5) await test.deps.clock.sleep(random() * 30);
      await client.query(`INSERT INTO entries VALUES (${id}, 1, 0)`);
      await test.deps.clock.sleep(random() * 40);
    }
    await client.end();
  };
  const running = Array.from({ length: 4 }, (_, n) => flip(n));
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(running);
    },
  };
}

/** For whoever looks into a failed seed. */
async function historyOf(table: string, rowKey: string) {
  const key = [table, rowKey];
  const outbox = await observed.legacy.query(
    `SELECT seq, op, state, old_tenant, new_tenant, reason, captured_at::text, touched_at::text FROM crossfade.outbox WHERE table_name = $1 AND row_key = $2 ORDER BY seq DESC LIMIT 8`,
    key,
  );
  const applied = await observed.target.query(
    `SELECT kind, seq, action, batch, applied_at::text FROM crossfade.applied_log WHERE table_name = $1 AND row_key = $2 ORDER BY id DESC LIMIT 8`,
    key,
  );
  return { outbox: outbox.rows, applied: applied.rows };
}

function urlOf(store: StoreName): string {
  const url = new URL(testServers()[store]);
  url.pathname = `/${test[store].database}`;
  return url.toString();
}

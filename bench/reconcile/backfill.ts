/** The copy of history at full rate, beside its own statements in a bare loop and beside COPY into COPY, which keeps no promise at all. */
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { RAW_TYPES } from '../../lib/adapters/pg/raw-types.ts';
import { copy } from '../../lib/application/backfill/copy.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { toSnapshotRead } from '../../lib/application/rows/apply-reads.ts';
import { tenantStates } from '../../lib/application/tenants/exposure.ts';
import type { Run } from '../../lib/contracts/machine-io.ts';
import { applySnapshot } from '../../lib/sql/apply/apply-snapshot.ts';
import { flushSource } from '../../lib/sql/source/flush.ts';
import { readPage, type SourceRow } from '../../lib/sql/source/read-rows.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { type BenchRoles, benchDeps, type Copy, copyStores, openAs, urlAs } from '../engine-deps.ts';
import { timed, type Variant } from '../measure.ts';
import type { Peers } from '../npm-peers.ts';
import { type BenchServers, readOne, type Urls, withClient } from '../servers.ts';
import { TENANTS } from './planted.ts';
import type { Pair } from './states.ts';

const PLAN = `tenants: { column: tenant_id }
backfill:
  batchRows: 1000
  batchesPerSecond: 10000
  # Full rate: what is measured is not how well it holds back.
  throttle: { statement: none, replicationLag: none, connectionsPercent: 100, deadPercent: 100, vacuum: false, walMegabytesPerSecond: 100000 }
tables:
  orders: { updatedAtColumn: updated_at }
`;
const BATCH_ROWS = 1000;
const RUN: Run = {
  execution: 'bench',
  machine: 'backfill',
  plan: 'bench',
  scope: TENANTS,
  dryRun: false,
  from: null,
  repair: false,
  mode: null,
  tables: [],
  limit: null,
  requestedBy: 'benchmark',
  startedAt: '2026-01-01T00:00:00.000Z',
};

/** @param pair with an empty target. */
export function backfillVariants(servers: BenchServers, pair: Pair, peers: Peers | undefined): readonly Variant[] {
  const { rows, roles } = pair;
  const variant = (id: string, title: string, work: (urls: Urls) => Promise<unknown>): Variant => ({
    id: `backfill/${id}`,
    title,
    run: async () => {
      const stores: Copy = await copyStores(servers, pair.names);
      try {
        const drained = await timed(rows, () => work(stores.urls));
        await checkCopied(stores.urls, rows);
        return drained;
      } finally {
        await stores.drop();
      }
    },
  });
  return [
    variant('engine', 'backfill, engine, batches of 1000', (urls) => copyByEngine(urls, roles)),
    variant('bare', 'backfill, own statements in a bare loop', (urls) => copyByBareLoop(urls, roles)),
    ...(peers === undefined
      ? []
      : [variant('copy', 'COPY into COPY, no row versions', (urls) => copyByCopy(urls, peers))]),
  ];
}

async function copyByEngine(urls: Urls, roles: BenchRoles): Promise<void> {
  const databases = openAs(urls, roles);
  const deps = benchDeps(databases, PLAN);
  try {
    const states = await tenantStates(deps, 'forward');
    const data = { tenants: states.map(({ tenant, generation }) => ({ tenant, generation })) };
    for (;;) {
      const result = await copy(deps, RUN, data);
      if (!result.again) break;
    }
  } finally {
    await databases.close();
  }
}

/** What the engine does for a page and no more: reads it, flushes the source, applies it; one after the other. */
async function copyByBareLoop(urls: Urls, roles: BenchRoles): Promise<void> {
  const databases = openAs(urls, roles);
  const migration = await loadMigration(benchDeps(databases, PLAN));
  await databases.close();
  const [table] = migration.tables;
  if (table === undefined) throw new RangeError('the plan has no table');
  const source = await connect(urlAs(urls, roles, 'legacy', 'compare'));
  const flusher = await connect(urlAs(urls, roles, 'legacy', 'relay'));
  const receiver = await connect(urlAs(urls, roles, 'target', 'backfill'));
  for (let after: string | null = null, batch = 0; ; batch++) {
    const page = { after, through: null, limit: BATCH_ROWS, bytes: 8 * 1024 * 1024, tenants: TENANTS };
    const found: readonly SourceRow[] = await ask(source, readPage(table, migration.byName, 'forward', page));
    const read = toSnapshotRead(found);
    if (read.rows.length > 0) {
      await ask(flusher, flushSource);
      await ask(receiver, applySnapshot(table, 'forward', { id: `bare-${batch}`, ...read }));
    }
    after = read.rows.at(-1)?.rowKey ?? after;
    if (!found.some((row) => row.more)) break;
  }
  await Promise.all([source, flusher, receiver].map((client) => client.end()));
}

/** pg-copy-streams, as its documentation has it. */
interface CopyStreams {
  readonly from: (sql: string) => pg.Submittable & Writable;
  readonly to: (sql: string) => pg.Submittable & Readable;
}

async function copyByCopy(urls: Urls, peers: Peers): Promise<void> {
  // The pinned version's own shape.
  const { from, to } = (await peers.load('pg-copy-streams')) as CopyStreams;
  await withClient(urls.legacy, (legacy) =>
    withClient(urls.target, (target) =>
      pipeline(legacy.query(to('COPY public.orders TO STDOUT')), target.query(from('COPY public.orders FROM STDIN'))),
    ),
  );
}

/** @throws {Error} when the target lacks a row, or one differs. */
async function checkCopied(urls: Urls, rows: number): Promise<void> {
  const sql = 'SELECT count(*)::integer AS rows, sum(hash_record_extended(o, 0))::text AS sum FROM public.orders AS o';
  const [legacy, target] = await Promise.all(
    [urls.legacy, urls.target].map((url) => readOne<{ rows: number; sum: string }>(url, sql)),
  );
  if (target?.rows !== rows || target.sum !== legacy?.sum)
    throw new Error(
      `the target holds ${target?.rows} of ${rows} rows, ${target?.sum === legacy?.sum ? '' : 'un'}equal`,
    );
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, types: RAW_TYPES });
  await client.connect();
  return client;
}

async function ask<Row>(client: pg.Client, { text, values }: Statement): Promise<readonly Row[]> {
  // Rows are as raw-types.ts makes them; their columns are the caller's claim about its own SQL.
  return (await client.query({ text, values: [...values] })).rows as Row[];
}

/**
 * Crossfade's own statements, built by lib/sql, in the barest loop: no lanes, verdict handling, retries, health or leases beyond what
 * the statements themselves do. What the engine loses against this loop is the price of the application.
 */
import pg from 'pg';
import { RAW_TYPES } from '../../lib/adapters/pg/raw-types.ts';
import { loadMigration, type Migration } from '../../lib/application/migration.ts';
import { applyEvents, type EventVerdictRow } from '../../lib/sql/apply/apply-events.ts';
import { type ClaimedRow, claimEvents } from '../../lib/sql/relay/claim-events.ts';
import { markEvents } from '../../lib/sql/relay/mark-events.ts';
import { type PayloadRow, readPayloads } from '../../lib/sql/relay/read-payloads.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { openAs, urlAs } from '../engine-deps.ts';
import { timed, type Variant } from '../measure.ts';
import { checkDelivered } from './engine.ts';
import { type EngineStores, type RelaySettings, relayDeps } from './engine-stores.ts';

const LEASE_MS = 60_000;

export function bareVariant(stores: EngineStores, settings: RelaySettings): Variant {
  const { shards, batchRows } = settings;
  return {
    id: `bare/${shards}x${batchRows}`,
    title: `own statements in a bare loop, ${shards} worker${shards === 1 ? '' : 's'}, batch ${batchRows}`,
    run: async () => {
      const copy = await stores.copy();
      const databases = openAs(copy.urls, stores.roles);
      const migration = await loadMigration(relayDeps(databases, settings));
      await databases.close();
      const sessions = await Promise.all(
        Array.from({ length: shards }, async () => ({
          source: await connect(urlAs(copy.urls, stores.roles, 'legacy', 'relay')),
          receiver: await connect(urlAs(copy.urls, stores.roles, 'target', 'apply')),
        })),
      );
      try {
        const drained = await timed(stores.events, () =>
          Promise.all(sessions.map((session, shard) => work(migration, settings, shard, session))),
        );
        await checkDelivered(copy.urls, stores.events);
        return drained;
      } finally {
        await Promise.all(sessions.flatMap(({ source, receiver }) => [source.end(), receiver.end()]));
        await copy.drop();
      }
    },
  };
}

interface Sessions {
  readonly source: pg.Client;
  readonly receiver: pg.Client;
}

async function work(
  migration: Migration,
  { shards, batchRows }: RelaySettings,
  shard: number,
  { source, receiver }: Sessions,
): Promise<void> {
  const [table] = migration.tables;
  if (table === undefined) throw new RangeError('the plan of the benchmark has a table');
  for (let batch = 0; ; batch++) {
    const claim = { direction: 'forward', shard, shards, holder: `bare-${shard}`, leaseMs: LEASE_MS } as const;
    const claimed = await run<ClaimedRow>(
      source,
      claimEvents({ ...claim, limit: batchRows, troubled: [], afterTenant: null }),
    );
    const events = claimed.flatMap((row) => (row.seq === null ? [] : [{ ...row, seq: row.seq }]));
    if (events.length === 0) return;
    // A statement takes a row once: of a small backlog one batch may hold both versions, the newer one last.
    const newest = [...new Map(events.map((event) => [event.row_key, event])).values()];
    const seqs = newest.map(({ seq }) => seq);
    const payloads = await run<PayloadRow>(source, readPayloads(table, 'forward', seqs));
    const rowOf = new Map(payloads.map(({ seq, row }) => [seq, row]));
    const verdicts = await run<EventVerdictRow>(
      receiver,
      applyEvents(table, 'forward', {
        id: `bare-${shard}-${batch}`,
        authority: events[0]?.authority ?? '0',
        events: newest.map((row) => ({
          seq: row.seq,
          epoch: row.epoch,
          xid: row.xid,
          rowKey: row.row_key,
          op: row.op,
          idempotencyKey: row.idempotency_key,
          correlationId: row.correlation_id,
          oldTenant: row.old_tenant,
          newTenant: row.new_tenant,
          oldGeneration: row.old_generation,
          newGeneration: row.new_generation,
          row: rowOf.get(row.seq) ?? null,
        })),
      }),
    );
    const applied = new Set(verdicts.map(({ seq }) => seq));
    await run(
      source,
      markEvents(events.map(({ seq }) => ({ seq, state: applied.has(seq) ? 'published' : 'superseded' }))),
    );
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, types: RAW_TYPES });
  await client.connect();
  return client;
}

async function run<Row>(client: pg.Client, { text, values }: Statement): Promise<readonly Row[]> {
  // Rows are as raw-types.ts makes them; their columns are the caller's claim about its own SQL.
  return (await client.query({ text, values: [...values] })).rows as Row[];
}

/**
 * The yardstick: the shortest loop that moves outbox rows, without row versions, admissions or verdicts. For measurement only: as
 * a relay it is unsafe (two workers may apply in either order between claim and guard, nothing fences an old one).
 */
import pg from 'pg';
import { timed, type Variant } from '../measure.ts';
import { type BenchServers, readOne, withClient } from '../servers.ts';
import { checkEndState, END_STATE, type EndState, orderRow, VERSIONED_COLUMNS, VERSIONED_TABLE } from './versions.ts';

export interface RawSettings {
  readonly workers: number;
  readonly batchRows: number;
}

/** Names of template databases. */
export interface RawStores {
  readonly events: number;
  readonly legacy: string;
  readonly target: string;
}

const OUTBOX = `CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL DEFAULT gen_random_uuid(), payload jsonb NOT NULL, published_at timestamptz);
CREATE INDEX outbox_open ON outbox (id) WHERE published_at IS NULL`;
const LEDGER = 'CREATE TABLE ledger (event_id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())';

const NAMES = VERSIONED_COLUMNS.join(', ');
const TYPES =
  'id bigint, tenant_id text, customer_id bigint, status text, amount numeric, currency text, note text, payload jsonb, version integer, created_at timestamptz, updated_at timestamptz';
export const ASSIGNED = VERSIONED_COLUMNS.filter((name) => name !== 'id')
  .map((name) => `${name} = excluded.${name}`)
  .join(', ');

const CLAIM =
  'SELECT id, event_id, payload::text AS payload FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED';
const APPLY = `WITH e AS (SELECT * FROM unnest($1::uuid[], $2::jsonb[]) AS x(event_id, payload)),
 l AS (INSERT INTO ledger (event_id) SELECT event_id FROM e ON CONFLICT DO NOTHING RETURNING event_id),
 n AS (SELECT DISTINCT ON (r.id) r.* FROM e JOIN l USING (event_id), jsonb_to_record(e.payload) AS r(${TYPES}) ORDER BY r.id, r.version DESC)
INSERT INTO public.orders AS t (${NAMES}) SELECT ${NAMES} FROM n ON CONFLICT (id) DO UPDATE SET ${ASSIGNED} WHERE t.version < excluded.version`;
const MARK = 'UPDATE outbox SET published_at = now() WHERE id = ANY($1::bigint[])';

export async function prepareRawStores(servers: BenchServers, events: number): Promise<RawStores> {
  const legacy = await servers.create('legacy');
  const target = await servers.create('target');
  await withClient(legacy.url, async (client) => {
    await client.query(OUTBOX);
    for (const version of [1, 2])
      await client.query(
        `INSERT INTO outbox (payload) SELECT to_jsonb(r) FROM (SELECT ${orderRow(version)} FROM generate_series(1, ${events / 2}) AS i) AS r`,
      );
    await client.query('VACUUM ANALYZE');
  });
  await withClient(target.url, async (client) => {
    await client.query(VERSIONED_TABLE);
    await client.query(LEDGER);
  });
  return { events, legacy: legacy.name, target: target.name };
}

export function rawVariant(servers: BenchServers, stores: RawStores, settings: RawSettings): Variant {
  const { workers, batchRows } = settings;
  return {
    id: `raw/${workers}x${batchRows}`,
    title: `raw loop, ${workers} worker${workers === 1 ? '' : 's'}, batch ${batchRows}`,
    run: async () => {
      const legacy = await servers.create('legacy', stores.legacy);
      const target = await servers.create('target', stores.target);
      const drained = await timed(stores.events, () =>
        Promise.all(Array.from({ length: workers }, () => work(legacy.url, target.url, batchRows))),
      );
      checkEndState(await readOne<EndState>(target.url, END_STATE), stores.events / 2);
      await servers.drop('legacy', legacy.name);
      await servers.drop('target', target.name);
      return drained;
    },
  };
}

async function work(legacyUrl: string, targetUrl: string, batchRows: number): Promise<void> {
  const legacy = new pg.Client({ connectionString: legacyUrl });
  const target = new pg.Client({ connectionString: targetUrl });
  await Promise.all([legacy.connect(), target.connect()]);
  for (;;) {
    await legacy.query('BEGIN');
    const { rows } = await legacy.query<{ id: string; event_id: string; payload: string }>({
      name: 'claim',
      text: CLAIM,
      values: [batchRows],
    });
    if (rows.length > 0) {
      const values = [rows.map((row) => row.event_id), rows.map((row) => row.payload)];
      await target.query({ name: 'apply', text: APPLY, values });
      await legacy.query({ name: 'mark', text: MARK, values: [rows.map((row) => row.id)] });
    }
    await legacy.query('COMMIT');
    if (rows.length === 0) break;
  }
  await Promise.all([legacy.end(), target.end()]);
}

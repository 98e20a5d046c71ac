/**
 * The write protocol under mishaps, on real servers with real processes: relays and both servers are killed with SIGKILL in the
 * middle of a batch, answers are lost after the commit, rows are locked, while an application writes. What was acknowledged is
 * in the target at the end, nothing older ever lay over something newer, and nothing is left over.
 *
 * The order of mishaps and the writes come from a seed, which is printed; CHAOS_SEED repeats them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redriveEvents } from '../../lib/sql/relay/redrive-events.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { MISHAPS } from './mishaps.ts';
import { type RelayWorker, type Stage, setStage } from './stage.ts';
import { SEED_ROWS, startTraffic, TRAFFIC_PLAN, TRAFFIC_SQL, type Traffic } from './traffic.ts';

/** Notes every write of the target whose stamp is below one that its row has had before. */
const WATCH_SQL = `
CREATE SCHEMA watch;
CREATE TABLE watch.highest (relation text, key text, stamp bigint NOT NULL, PRIMARY KEY (relation, key));
CREATE TABLE watch.older (relation text, key text, stamp bigint, had bigint);
CREATE FUNCTION watch.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  k text := CASE TG_TABLE_NAME WHEN 'accounts' THEN row_to_json(NEW) ->> 'id' ELSE (row_to_json(NEW) ->> 'account_id') || ',' || (row_to_json(NEW) ->> 'n') END;
BEGIN
  INSERT INTO watch.older SELECT TG_TABLE_NAME, k, NEW.stamp, h.stamp FROM watch.highest AS h WHERE h.relation = TG_TABLE_NAME AND h.key = k AND h.stamp > NEW.stamp;
  INSERT INTO watch.highest VALUES (TG_TABLE_NAME, k, NEW.stamp) ON CONFLICT (relation, key) DO UPDATE SET stamp = greatest(watch.highest.stamp, excluded.stamp);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON public.accounts FOR EACH ROW EXECUTE FUNCTION watch.note();
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON public.entries FOR EACH ROW EXECUTE FUNCTION watch.note();
`;

const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1e6));
const random = seededRandom(seed);

let stage: Stage;
let traffic: Traffic;
const workers: RelayWorker[] = [];

beforeAll(async () => {
  console.info(`chaos: CHAOS_SEED=${seed}`);
  stage = await setStage({
    plan: TRAFFIC_PLAN,
    sql: { legacy: TRAFFIC_SQL('DEFERRABLE INITIALLY DEFERRED'), target: TRAFFIC_SQL('') + WATCH_SQL },
    tenants: ['acme', 'globex'],
  });
  await stage.query('legacy', SEED_ROWS);
  workers.push(stage.startRelay(), stage.startRelay());
  traffic = startTraffic(stage.urls.legacy, random);
});

afterAll(async () => {
  await traffic?.stop();
  await stage?.stop();
});

const rowsOf = async (store: 'legacy' | 'target', where: string) => ({
  accounts: await stage.query<{ row: string }>(
    store,
    `SELECT a::text AS row FROM accounts AS a WHERE ${where} ORDER BY id`,
  ),
  entries: await stage.query<{ row: string }>(
    store,
    `SELECT e::text AS row FROM entries AS e JOIN accounts AS a ON a.id = e.account_id WHERE ${where} ORDER BY account_id, n`,
  ),
});

describe(`under mishaps (seed ${seed})`, () => {
  const order = MISHAPS.map((mishap) => ({ mishap, rank: random() })).toSorted((one, other) => one.rank - other.rank);

  for (const { mishap } of order) {
    it(`${mishap.name}: delivery goes on`, async () => {
      await mishap.strike(stage, workers);

      const before = await delivered();
      await expect.poll(delivered, { timeout: 60_000, interval: 100 }).toBeGreaterThan(before);
    });
  }

  it('everything is delivered in the end; nothing is parked, dead or left for repair', async () => {
    await traffic.stop();
    expect([...traffic.failures]).toEqual([]);
    expect(traffic.transactions()).toBeGreaterThan(200);

    await expect
      .poll(
        async () => {
          // What a lost message left on the retry queue: the sweep, without its 20 minutes.
          await stage.deps.databases.open('legacy', 'relay').query(redriveEvents(['retry']));
          return [
            ...(await stage.query(
              'legacy',
              `SELECT state, table_name, row_key, reason FROM crossfade.outbox WHERE state IN ('pending', 'retry') LIMIT 5`,
            )),
            ...(await stage.query('target', 'SELECT table_name, row_key, reason FROM crossfade.repair_queue LIMIT 5')),
          ];
        },
        { timeout: 90_000, interval: 200 },
      )
      .toEqual([]);

    const setAside = await stage.query(
      'legacy',
      `SELECT state, table_name, row_key, reason FROM crossfade.outbox WHERE state IN ('parked', 'dead')`,
    );
    expect(setAside).toEqual([]);
  });

  it('both stores hold the same rows', async () => {
    const legacy = await rowsOf('legacy', `a.tenant_id <> 'umbrella'`);
    const target = await rowsOf('target', 'true');

    expect(target, await historyOfDifferences(legacy, target)).toEqual(legacy);
    expect(legacy.accounts.length).toBeGreaterThan(5);
  });

  it('every acknowledged write is in legacy, or a newer one of its row', async () => {
    const stamps = new Map(
      (
        await stage.query<{ key: string; stamp: string }>(
          'legacy',
          `SELECT 'accounts ' || id AS key, stamp FROM accounts UNION ALL SELECT 'entries ' || account_id || ',' || n, stamp FROM entries`,
        )
      ).map(({ key, stamp }) => [key, Number(stamp)]),
    );

    const lost = traffic.ledger.filter(({ table, key, stamp }) => (stamps.get(`${table} ${key}`) ?? stamp) < stamp);

    expect(lost).toEqual([]);
    expect(traffic.ledger.length).toBeGreaterThan(200);
  });

  it('no older state ever lay over a newer one', async () => {
    expect(await stage.query('target', 'SELECT * FROM watch.older')).toEqual([]);
    const [watched] = await stage.query<{ n: number }>('target', 'SELECT count(*)::int AS n FROM watch.highest');
    expect(watched?.n).toBeGreaterThan(50);
  });

  it('no event took effect twice', async () => {
    expect(
      await stage.query(
        'target',
        `SELECT table_name, row_key, seq FROM crossfade.applied_log WHERE kind = 'E' GROUP BY 1, 2, 3, epoch HAVING count(*) > 1`,
      ),
    ).toEqual([]);
  });
});

async function delivered(): Promise<number> {
  const rows = await stage.query<{ n: string }>('target', 'SELECT count(*) AS n FROM crossfade.applied_log');
  return Number(rows[0]?.n ?? 0);
}

/** What happened to the rows in which the stores differ: for whoever looks into a failed seed. */
async function historyOfDifferences(
  legacy: Awaited<ReturnType<typeof rowsOf>>,
  target: Awaited<ReturnType<typeof rowsOf>>,
): Promise<string> {
  const texts = (rows: readonly { readonly row: string }[]) => new Set(rows.map(({ row }) => row));
  const differ = texts(legacy.accounts).symmetricDifference(texts(target.accounts));
  const keys = [...differ].slice(0, 3).map((row) => `[${row.slice(1, row.indexOf(','))}]`);
  const list = keys.map((key) => `'${key}'`).join(', ');
  if (keys.length === 0) return 'only entries differ';
  return JSON.stringify(
    {
      outbox: await stage.query(
        'legacy',
        `SELECT seq, xid::text, row_key, op, state, old_tenant, new_tenant, reason, captured_at::text, touched_at::text FROM crossfade.outbox WHERE table_name = 'accounts' AND row_key IN (${list}) ORDER BY seq`,
      ),
      versions: await stage.query(
        'target',
        `SELECT row_key, kind, seq, xid::text, snapshot::text, deleted FROM crossfade.row_version WHERE table_name = 'accounts' AND row_key IN (${list})`,
      ),
      applied: await stage.query(
        'target',
        `SELECT row_key, kind, seq, snapshot::text, action, batch, applied_at::text FROM crossfade.applied_log WHERE table_name = 'accounts' AND row_key IN (${list}) ORDER BY id`,
      ),
      floor: await stage.query('target', 'SELECT floor::text FROM crossfade.control'),
    },
    null,
    1,
  );
}

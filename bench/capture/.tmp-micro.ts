import { mkdtempSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { startPostgres, removePostgresFolder } from '../../lib/local/postgres.ts';
import { createDatabase } from '../../lib/local/databases.ts';
import { protocolSchema } from '../../lib/sql/install/schema.ts';
import { captureFunctions, captureTriggers, dropCapture } from '../../lib/sql/install/capture.ts';
import { createPgStore } from '../../lib/adapters/pg/sql-store.ts';
import { readTables } from '../../lib/application/read-tables.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import { tpcbSchema, TPCB_PLAN } from './tpcb.ts';
const folder = mkdtempSync('/tmp/cfmicro-');
const server = await startPostgres({ major: 15, folder, fsync: false, settings: { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h', autovacuum: 'off', jit: 'off' } });
try {
const url = await createDatabase(server.url, 'm');
const c = new pg.Client({ connectionString: url }); await c.connect();
for (const t of tpcbSchema(1).split(';\n')) await c.query(t);
for (const { text } of protocolSchema()) await c.query(text);
const store = createPgStore({ connectionString: url });
const tables = await readTables(loadPlan(TPCB_PLAN, 'bench'), { pageBytes: 1, open: () => store, close: () => store.close() });
await store.close();
const byName = new Map(tables.map((t) => [t.name, t]));
const accounts = byName.get('accounts')!;
const pid = (await c.query('SELECT pg_backend_pid() AS p')).rows[0].p;
const cpu = () => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
const N = 10000;
const fn = captureFunctions(accounts, byName, 'forward', ['a', 'b']).map((s) => s.text);
const trig = fn.find((t) => t.includes('RETURNS trigger'))!;
const on = async (text: string) => { for (const { text: t } of captureFunctions(accounts, byName, 'forward', ['a', 'b'])) await c.query(t); await c.query(text); for (const { text: t } of captureTriggers(accounts)) await c.query(t); };
const edit = (from: string | RegExp, to: string) => { const e = trig.replace(from, to); if (e === trig) throw new Error('no edit ' + from); return e; };
const ix = async (drop: string[]) => { for (const d of drop) await c.query(`DROP INDEX IF EXISTS crossfade.${d}`); };
const restore = async () => { for (const { text } of protocolSchema()) await c.query(text); };
const variants: Record<string, () => Promise<void>> = {
  'none': async () => { for (const { text } of dropCapture(accounts)) await c.query(text); },
  'now': () => on(trig),
  'no uuid': () => on(edit('gen_random_uuid()::text', "'x'")),
  'random': () => on(edit('gen_random_uuid()::text', "(random()::text || random()::text)")),
  'no epoch': () => on(edit('(SELECT epoch FROM crossfade.source)', '1')),
  'no corr': () => on(edit(/left\(nullif\(.*?200\)/, 'NULL')),
  'no set': () => on(edit(/SET search_path = pg_catalog, pg_temp SET row_security = off/, '')),
  'no rls': () => on(edit(/SET row_security = off/, '')),
  'NEW': () => on(edit(/SELECT row_to_json\(crossfade_row\)[^;]*;/, `state := row_to_json(NEW); tenant := coalesce(NEW.bid::text, '*');`)),
  'no undelivered ix': async () => { await on(trig); await ix(['outbox_undelivered']); },
  'no pending ix': async () => { await on(trig); await ix(['outbox_pending']); },
  'no brin': async () => { await on(trig); await ix(['outbox_captured']); },
  'pk only': async () => { await on(trig); await ix(['outbox_captured', 'outbox_pending', 'outbox_undelivered', 'outbox_suppressed']); },
};
const used: Record<string, number[]> = {};
for (let round = 0; round < 4; round++) for (const [name, set] of Object.entries(variants)) {
    await c.query('TRUNCATE crossfade.outbox'); await restore(); await set(); await c.query('VACUUM accounts');
    const go = async () => c.query(`DO $x$ BEGIN FOR i IN 1..${N} LOOP UPDATE accounts SET abalance = abalance + 1 WHERE aid = 1 + (i * 7919) % 100000; END LOOP; END $x$`);
    if (round === 0) await go();
    const t = cpu(); await go();
    (used[name] ??= []).push((cpu() - t) / N);
}
const med = (l: number[]) => Math.min(...l);
for (const [name, list] of Object.entries(used)) console.log(name.padEnd(25), med(list).toFixed(1), 'us cpu, adds', (med(list) - med(used.none!)).toFixed(1), list.map((x) => x.toFixed(0)).join(' '));
await c.end();
} finally { await server.stop(); removePostgresFolder(folder); }

import { mkdtempSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { startPostgres, removePostgresFolder } from '../../lib/local/postgres.ts';
const folder = mkdtempSync('/tmp/cfexpr-');
const server = await startPostgres({ major: 15, folder, fsync: false, settings: { jit: 'off' } });
try {
const c = new pg.Client({ connectionString: server.url }); await c.connect();
await c.query('CREATE TABLE src(one bool primary key, epoch int); INSERT INTO src VALUES (true,1); CREATE TABLE r(aid int, bid int, b int, filler char(84)); INSERT INTO r VALUES (1,1,1,\'\')');
await c.query(`CREATE FUNCTION f0() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$; CREATE FUNCTION f1() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 1; END $$; CREATE FUNCTION f2() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path=pg_catalog,pg_temp AS $$ BEGIN RETURN 1; END $$; CREATE FUNCTION f3() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET row_security=off AS $$ BEGIN RETURN 1; END $$; CREATE FUNCTION f4() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path=pg_catalog,pg_temp SET row_security=off  AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION f5() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT epoch FROM src); END $$;
CREATE FUNCTION f6() RETURNS int LANGUAGE plpgsql AS $$ DECLARE x json; y text; BEGIN SELECT row_to_json(r), r.bid::text INTO x, y FROM r; RETURN 1; END $$;
CREATE FUNCTION f7() RETURNS int LANGUAGE plpgsql AS $$ DECLARE x json; y text; BEGIN SELECT null, r.bid::text INTO x, y FROM r; RETURN 1; END $$`);
const ex: Record<string,string> = { null: 'NULL::text', uuid: 'gen_random_uuid()', uuidtext: 'gen_random_uuid()::text', random: 'random()::text', xid: 'pg_current_xact_id()::text', clock: 'clock_timestamp()', corr: `left(nullif(current_setting('crossfade.correlation_id', true), ''), 200)`, jba: 'json_build_array(g)::text', su: `session_user::text IN ('a','b')`, md5: `md5(g::text)`, plpgsql: 'f0()', secdef: 'f1()', sp: 'f2()', rls: 'f3()', both: 'f4()', epoch: 'f5()', selinto: 'f6()', selintonojson: 'f7()' };
const best: Record<string, number> = {};
for (let i = 0; i < 7; i++) for (const [n, e] of Object.entries(ex)) {
 const t = performance.now(); await c.query(`SELECT count(${e}) FROM generate_series(1, 20000) g`);
 best[n] = Math.min(best[n] ?? 1e9, (performance.now() - t) * 1000 / 20000);
}
for (const [n, v] of Object.entries(best)) console.log(n.padEnd(15), (v - best.null!).toFixed(2));
await c.end();
} finally { await server.stop(); removePostgresFolder(folder); }

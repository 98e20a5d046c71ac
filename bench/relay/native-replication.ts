/** PostgreSQL's own logical replication, one row a transaction: the limit of what can be hoped for. It parses no JSON and keeps no log. */
import { randomBytes } from 'node:crypto';
import { stopwatch, type Variant } from '../measure.ts';
import { type BenchServers, readOne, withClient } from '../servers.ts';
import { checkEndState, END_STATE, type EndState, orderRow, VERSIONED_TABLE } from './versions.ts';

const LOOK_EVERY_MS = 5;
const LIMIT_MS = 60_000;

export function nativeVariant(servers: BenchServers, events: number): Variant {
  return {
    id: 'native',
    title: 'PostgreSQL logical replication, 1 row a transaction',
    run: async () => {
      const rows = events / 2;
      const legacy = await servers.create('legacy');
      const target = await servers.create('target');
      const name = `bench_${randomBytes(4).toString('hex')}`;
      for (const { url } of [legacy, target]) await withClient(url, (client) => client.query(VERSIONED_TABLE));
      await withClient(legacy.url, async (client) => {
        const { rows: setting } = await client.query<{ wal_level: string }>('SHOW wal_level');
        if (setting[0]?.wal_level !== 'logical') throw new Error(`wal_level is ${setting[0]?.wal_level}, not logical`);
        await client.query(`CREATE PUBLICATION ${name} FOR TABLE public.orders`);
        await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
        // CREATE TABLE … AS first: what is measured is the replaying, not this loop.
        await client.query(`CREATE TABLE staged AS SELECT ${orderRow(1)} FROM generate_series(1, ${rows}) AS i`);
        await client.query(`DO $do$ DECLARE r public.orders; BEGIN
  FOR r IN SELECT * FROM staged ORDER BY id LOOP INSERT INTO public.orders SELECT r.*; COMMIT; END LOOP;
  FOR n IN 1..${rows} LOOP UPDATE public.orders SET version = 2, status = 'paid' WHERE id = n; COMMIT; END LOOP;
END $do$`);
      });
      const read = stopwatch();
      await withClient(target.url, (client) =>
        client.query(
          `CREATE SUBSCRIPTION ${name} CONNECTION '${conninfo(legacy.url)}' PUBLICATION ${name} WITH (create_slot = false, copy_data = false, streaming = off, slot_name = '${name}')`,
        ),
      );
      // The last transaction: replay is in the order of commits.
      await withClient(target.url, async (client) => {
        const deadline = Date.now() + LIMIT_MS;
        for (;;) {
          const { rows: last } = await client.query('SELECT FROM public.orders WHERE id = $1 AND version = 2', [rows]);
          if (last.length > 0) return;
          if (Date.now() > deadline) throw new Error(`not replayed in ${LIMIT_MS / 1000} s`);
          await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
        }
      });
      // This process only looks.
      const drained = { ...read(events), nodeCpuMs: 0 };
      checkEndState(await readOne<EndState>(target.url, END_STATE), rows);
      await withClient(target.url, (client) => client.query(`DROP SUBSCRIPTION ${name}`));
      await servers.drop('legacy', legacy.name);
      await servers.drop('target', target.name);
      return drained;
    },
  };
}

function conninfo(url: string): string {
  const { hostname, port, username, password, pathname } = new URL(url);
  return `host=${hostname} port=${port} user=${username} password=${password} dbname=${pathname.slice(1)}`;
}

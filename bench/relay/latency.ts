/** From commit in legacy to visible in the target, while the engine runs and the application writes at a steady rate. */
import pg from 'pg';
import { runRelay } from '../../lib/application/relay/relay.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import type { Urls } from '../servers.ts';
import { DEFAULT_SETTINGS, type EngineStores, relayDeps } from './engine-stores.ts';
import { TENANTS } from './versions.ts';

export interface Latency {
  readonly id: string;
  readonly title: string;
  /** Writes a second that were wished for, and that the machine managed. */
  readonly wished: number;
  readonly written: number;
  readonly writes: number;
  /** Milliseconds; coarse by the 5 ms at which the target is looked at. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface LatencyOptions {
  readonly id: string;
  readonly title: string;
  readonly rate: number;
  readonly seconds: number;
  readonly open: (urls: Urls, roles: EngineStores['roles']) => Databases;
}

const WRITERS = 4;
const LOOK_EVERY_MS = 5;
const DRAIN_LIMIT_MS = 30_000;

/** @param stores without a backlog. @throws {Error} when a write has not arrived half a minute after the last one. */
export async function measureLatency(
  stores: EngineStores,
  { id, title, rate, seconds, open }: LatencyOptions,
): Promise<Latency> {
  const copy = await stores.copy();
  const databases = open(copy.urls, stores.roles);
  const deps = relayDeps(databases, DEFAULT_SETTINGS);
  const stopped = new AbortController();
  const until = new Date(Date.now() + (seconds + 60) * 1000);
  const clock = { ...deps.clock, now: () => (stopped.signal.aborted ? until : new Date()) };
  const relay = runRelay({ ...deps, clock }, 'forward', { until });
  const writers = await connectAll(copy.urls.legacy, WRITERS);
  const [reader] = await connectAll(copy.urls.target, 1);
  if (reader === undefined) throw new RangeError('one reader was asked for');
  try {
    const committed = new Map<number, number>();
    const took: number[] = [];
    const writing = writeSteadily(writers, rate, seconds * 1000, (order) => committed.set(order, performance.now()));
    let wroteAll = false;
    const written = writing.then((ms) => {
      wroteAll = true;
      return ms;
    });
    const deadline = Date.now() + seconds * 1000 + DRAIN_LIMIT_MS;
    while (!wroteAll || committed.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      const waiting = [...committed.keys()];
      if (waiting.length === 0) continue;
      const { rows } = await reader.query<{ id: string }>('SELECT id FROM public.orders WHERE id = ANY($1::bigint[])', [
        waiting,
      ]);
      const now = performance.now();
      for (const row of rows) {
        took.push(now - (committed.get(Number(row.id)) ?? now));
        committed.delete(Number(row.id));
      }
      if (Date.now() > deadline)
        throw new Error(`${committed.size} of ${took.length + committed.size} writes have not arrived`);
    }
    const ms = await written;
    took.sort((a, b) => a - b);
    const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
    return {
      id,
      title,
      wished: rate,
      written: (1000 * took.length) / ms,
      writes: took.length,
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
    };
  } finally {
    stopped.abort();
    await relay;
    await databases.close();
    await Promise.all([...writers, reader].map((client) => client.end()));
    await copy.drop();
  }
}

/** @returns milliseconds that the writing took. */
async function writeSteadily(
  clients: readonly pg.Client[],
  rate: number,
  forMs: number,
  committed: (order: number) => void,
): Promise<number> {
  const began = performance.now();
  let next = 1;
  const all = (rate * forMs) / 1000;
  const write = async (client: pg.Client) => {
    while (next <= all) {
      const order = next++;
      const due = began + (1000 * order) / rate;
      const early = due - performance.now();
      if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
      await client.query({
        name: 'write',
        text: `INSERT INTO public.orders (id, tenant_id, customer_id, status, amount, currency, note, payload, version, created_at, updated_at)
          VALUES ($1, $2, 1, 'open', 12.50, 'EUR', 'note', '{"a": 1}', 1, now(), now())`,
        values: [order, `t${order % TENANTS}`],
      });
      committed(order);
    }
  };
  await Promise.all(clients.map(write));
  return performance.now() - began;
}

async function connectAll(url: string, count: number): Promise<readonly pg.Client[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      return client;
    }),
  );
}

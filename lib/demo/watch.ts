/** Looks at the migration from outside once a second: lag, writes and reads. For the live line and the report's plot. */
import pg from 'pg';
import { STORES, type StoreName } from '../domain/direction.ts';
import type { Story } from './story.ts';
import type { Traffic } from './traffic/traffic.ts';

export interface Sample {
  /** Milliseconds since the start. */
  readonly at: number;
  /** Age of the oldest undelivered event; null: it could not be asked. */
  readonly lagMs: number | null;
  readonly undelivered: number | null;
  readonly writesPerSecond: number;
  readonly store: StoreName;
  readonly readsPerSecond: Readonly<Record<StoreName, number>>;
  readonly fallbacksPerSecond: number;
}

export interface Watch {
  readonly samples: readonly Sample[];
  /** Undelivered events of the store that is written; null: it cannot be asked, or there is no outbox yet. */
  undelivered(): Promise<Undelivered | null>;
  /** Waits until `wanted` holds. @throws {Error} after `limitMs`, with what was seen last. */
  until(what: string, limitMs: number, wanted: (now: Undelivered | null) => boolean | Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}

export interface Undelivered {
  readonly events: number;
  readonly oldestMs: number;
}

export interface WatchOptions {
  readonly story: Story;
  readonly traffic: Traffic;
  /** Of somebody who may read Crossfade's schema. */
  readonly urls: Readonly<Record<StoreName, string>>;
}

const EVERY_MS = 1_000;
const LOOK_MS = 200;
/** Nothing is set aside as long as the demo is well, so parked and dead events count as undelivered. */
const UNDELIVERED = `
SELECT count(*)::integer AS events, coalesce(extract(epoch FROM clock_timestamp() - min(captured_at)) * 1000, 0)::float8 AS "oldestMs"
FROM crossfade.outbox WHERE state IN ('pending', 'retry', 'parked', 'dead')`;

export function startWatch({ story, traffic, urls }: WatchOptions): Watch {
  const pools = Object.fromEntries(STORES.map((store) => [store, openPool(urls[store])]));
  const samples: Sample[] = [];
  const undelivered = async (): Promise<Undelivered | null> => {
    try {
      return (await pools[traffic.store]?.query<Undelivered>(UNDELIVERED))?.rows[0] ?? null;
    } catch {
      return null;
    }
  };
  let before = traffic.counts();
  let sampledAt = story.elapsedMs();
  let stopped = false;
  const sample = async () => {
    const now = await undelivered();
    const counts = traffic.counts();
    const at = story.elapsedMs();
    const perSecond = (value: number) => Math.round((value * 10_000) / Math.max(1, at - sampledAt)) / 10;
    const fallbacks = (of: typeof counts) => Object.values(of.fallbacks).reduce((sum, count) => sum + count, 0);
    samples.push({
      at,
      lagMs: now?.oldestMs ?? null,
      undelivered: now?.events ?? null,
      writesPerSecond: perSecond(counts.rowWrites - before.rowWrites),
      store: traffic.store,
      readsPerSecond: {
        legacy: perSecond(counts.readsBy.legacy - before.readsBy.legacy),
        target: perSecond(counts.readsBy.target - before.readsBy.target),
      },
      fallbacksPerSecond: perSecond(fallbacks(counts) - fallbacks(before)),
    });
    before = counts;
    sampledAt = at;
    const last = samples.at(-1);
    if (last !== undefined) story.live(describe(last));
  };
  const loop = async () => {
    while (!stopped) {
      await sample();
      await sleep(EVERY_MS);
    }
  };
  const running = loop();
  return {
    samples,
    undelivered,
    until: async (what, limitMs, wanted) => {
      const deadline = performance.now() + limitMs;
      for (;;) {
        const now = await undelivered();
        if (await wanted(now)) return;
        if (performance.now() > deadline) {
          const seen =
            now === null
              ? 'the outbox cannot be read'
              : `${now.events} events undelivered, the oldest ${Math.round(now.oldestMs)} ms old`;
          throw new Error(`${what}: not seen in ${limitMs / 1000} s (${seen})`);
        }
        await sleep(LOOK_MS);
      }
    },
    stop: async () => {
      stopped = true;
      await running;
      await Promise.all(Object.values(pools).map((pool) => pool.end()));
    },
  };
}

function describe({ writesPerSecond, store, lagMs, undelivered, readsPerSecond }: Sample): string {
  const lag =
    lagMs === null || undelivered === null ? 'no outbox' : `lag ${(lagMs / 1000).toFixed(1)} s, ${undelivered} waiting`;
  return `${writesPerSecond.toFixed(0)} writes/s to ${store} · ${lag} · reads/s: legacy ${readsPerSecond.legacy.toFixed(0)}, target ${readsPerSecond.target.toFixed(0)}`;
}

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    application_name: 'crossfade-demo',
    connectionTimeoutMillis: 2_000,
    statement_timeout: 5_000,
  });
  // A server that is stopped ends idle sessions; the next question connects again.
  pool.on('error', () => {});
  return pool;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

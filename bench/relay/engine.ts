/** The engine: `runRelay` over `pg`, with everything that it does in production except AWS. */
import { createMemoryLog } from '../../lib/adapters/memory/log.ts';
import { createMemoryQueues } from '../../lib/adapters/memory/queues.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import type { Metrics } from '../../lib/ports/metrics.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import type { Front } from '../data-api-front.ts';
import { openAs } from '../engine-deps.ts';
import { type Drained, stopwatch, type Variant } from '../measure.ts';
import { readOne, type Urls } from '../servers.ts';
import { type EngineStores, type RelaySettings, relayDeps } from './engine-stores.ts';
import { checkEndState, END_STATE, type EndState } from './versions.ts';

const TIME_LIMIT_MS = 120_000;
/** Longer than a suspension and a retry. */
const STUCK_MS = 15_000;

export function engineVariant(stores: EngineStores, settings: RelaySettings, rounds?: number): Variant {
  const { shards, batchRows } = settings;
  return {
    id: `engine/${shards}x${batchRows}`,
    title: `engine, pg, ${shards} shard${shards === 1 ? '' : 's'}, batch ${batchRows}`,
    rounds,
    run: () => runOnce(stores, settings, openAs),
  };
}

export function dataApiVariant(stores: EngineStores, settings: RelaySettings, front: Front): Variant {
  const { shards, batchRows } = settings;
  return {
    id: 'data-api',
    title: `engine in this process, Data API front, ${shards} shards, batch ${batchRows}`,
    // The front's share is not in it.
    run: async () => ({ ...(await runOnce(stores, settings, front.open)), serverCpuMs: undefined }),
  };
}

async function runOnce(stores: EngineStores, settings: RelaySettings, open: Front['open']): Promise<Drained> {
  const copy = await stores.copy();
  const databases = open(copy.urls, stores.roles);
  try {
    const drained = await drain(databases, settings, stores.events);
    await checkDelivered(copy.urls, stores.events);
    return drained;
  } finally {
    await databases.close();
    await copy.drop();
  }
}

/**
 * Until the engine says that it has marked the last event; asking the database would cost it something. A shard that ended early
 * sleeps on, which is not counted.
 *
 * @throws {Error} when there is no progress: the reason is what the engine logged, or what it sent to the retry queue.
 */
export async function drain(databases: Databases, settings: RelaySettings, events: number): Promise<Drained> {
  let delivered = 0;
  let progressAt = performance.now();
  let drained: Drained | undefined;
  const read = stopwatch();
  const metrics: Metrics = {
    record: (name, value) => {
      if (name !== 'delivered') return;
      delivered += value;
      progressAt = performance.now();
      if (delivered >= events) drained ??= read(events);
    },
    flush: async () => {},
  };
  const log = createMemoryLog();
  const queues = createMemoryQueues();
  const deps = { ...relayDeps(databases, settings, metrics), log, queues };
  const until = new Date(Date.now() + TIME_LIMIT_MS);
  const isOver = () => drained !== undefined || performance.now() - progressAt > STUCK_MS;
  const now = () => (isOver() ? until : new Date());
  await runRelay({ ...deps, clock: { ...deps.clock, now } }, 'forward', { until });
  if (drained !== undefined) return drained;
  const retries = queues.waiting('forward');
  const told = log.lines.findLast(({ level }) => level === 'warn' || level === 'error');
  const reasons = [
    ...(told === undefined ? [] : [`${told.message}: ${told.fields.reason}`]),
    ...(retries.length === 0 ? [] : [`${retries.length} to be tried again: ${retries[0]?.message.reason}`]),
  ];
  throw new Error(`${delivered} of ${events} events, then no more; ${reasons.join('; ') || 'nothing was logged'}`);
}

/** @throws {Error} when a row, a mark or an entry of the applied log is missing. */
export async function checkDelivered(urls: Urls, events: number): Promise<void> {
  checkEndState(await readOne<EndState>(urls.target, END_STATE), events / 2);
  const { logged } = await readOne<{ logged: number }>(
    urls.target,
    'SELECT count(*)::integer AS logged FROM crossfade.applied_log',
  );
  const { open } = await readOne<{ open: number }>(
    urls.legacy,
    `SELECT count(*)::integer AS open FROM crossfade.outbox WHERE state NOT IN ('published', 'superseded')`,
  );
  if (logged < events / 2 || open > 0) throw new Error(`${logged} writes logged, ${open} events not delivered`);
}

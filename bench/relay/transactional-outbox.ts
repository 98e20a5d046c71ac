import { type Drained, stopwatch, type Variant } from '../measure.ts';
import type { Peers } from '../npm-peers.ts';
import { type BenchServers, withClient } from '../servers.ts';
import { type OrderJson, openUpserter } from './single-upsert.ts';
import { orderRow, VERSIONED_TABLE } from './versions.ts';

/** What is used of pg-transactional-outbox 0.5.7. */
interface Library {
  readonly DatabaseSetupExporter: { createPollingScript(config: object, skipRoles: boolean): string };
  initializePollingMessageListener(
    config: object,
    handler: { handle(message: { readonly payload: OrderJson }): Promise<void> },
    logger: object,
  ): [() => Promise<void>];
}

const BATCH = 100;
/** Its own NOWAIT leaves a message behind in nearly every run, which it takes up again only after the lock's time. */
const COUNTED = 0.99;
const LOCK_MS = 60_000;
const POLL_MS = 10;
const LIMIT_MS = 60_000;

/** Polling, the fastest of its published ways. Its time goes up faster than the backlog, so that backlog is small. */
export function transactionalOutboxVariant(servers: BenchServers, peers: Peers, events: number): Variant {
  let template: string | undefined;
  return {
    id: 'pg-transactional-outbox',
    title: `pg-transactional-outbox ${peers.versions['pg-transactional-outbox']}, polling, batch ${BATCH}`,
    run: async () => {
      const module = (await peers.load('pg-transactional-outbox')) as Library & { readonly default?: Library };
      const library = module.default ?? module;
      template ??= await prepare(servers, library, events);
      const legacy = await servers.create('legacy', template);
      const target = await servers.create('target');
      await withClient(target.url, (client) => client.query(VERSIONED_TABLE));
      const drained = await drain(library, legacy.url, target.url, events);
      await servers.drop('legacy', legacy.name);
      await servers.drop('target', target.name);
      return drained;
    },
  };
}

async function prepare(servers: BenchServers, library: Library, events: number): Promise<string> {
  const { url, name } = await servers.create('legacy');
  const script = library.DatabaseSetupExporter.createPollingScript(
    {
      outboxOrInbox: 'outbox',
      database: name,
      schema: 'public',
      table: 'outbox',
      listenerRole: 'postgres',
      nextMessagesName: 'next_outbox_messages',
    },
    true,
  );
  await withClient(url, async (client) => {
    await client.query(script);
    for (const version of [1, 2])
      await client.query(
        `INSERT INTO public.outbox (id, aggregate_type, aggregate_id, message_type, concurrency, payload)
         SELECT gen_random_uuid(), 'order', r.id::text, 'changed', 'parallel', to_jsonb(r) FROM (SELECT ${orderRow(version)} FROM generate_series(1, ${events / 2}) AS i) AS r`,
      );
    await client.query('VACUUM ANALYZE');
  });
  return name;
}

async function drain(library: Library, legacyUrl: string, targetUrl: string, events: number): Promise<Drained> {
  const target = openUpserter(targetUrl, 10);
  const counted = Math.floor(events * COUNTED);
  let done = 0;
  const ended = Promise.withResolvers<Drained>();
  const timer = setTimeout(
    () => ended.reject(new Error(`${done} of ${events} events in ${LIMIT_MS / 1000} s`)),
    LIMIT_MS,
  );
  const read = stopwatch();
  const [shutdown] = library.initializePollingMessageListener(
    {
      outboxOrInbox: 'outbox',
      dbListenerConfig: { connectionString: legacyUrl, max: 20 },
      settings: {
        dbSchema: 'public',
        dbTable: 'outbox',
        enableMaxAttemptsProtection: false,
        enablePoisonousMessageProtection: false,
        nextMessagesBatchSize: BATCH,
        nextMessagesFunctionName: 'next_outbox_messages',
        nextMessagesPollingIntervalInMs: POLL_MS,
        nextMessagesLockInMs: LOCK_MS,
      },
    },
    {
      handle: async ({ payload }) => {
        await target.upsert(payload);
        done++;
        if (done === counted) ended.resolve(read(counted));
      },
    },
    SILENT,
  );
  try {
    return await ended.promise;
  } finally {
    clearTimeout(timer);
    await shutdown();
    await target.close();
  }
}

const SILENT = Object.fromEntries(
  ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => [level, () => undefined]),
);

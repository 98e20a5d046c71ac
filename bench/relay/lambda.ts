/** The deployed form of the relay, drained by one invocation. */
import type { Front } from '../data-api-front.ts';
import { type Copy, openAs } from '../engine-deps.ts';
import { type BenchFunction, startLambdaHost } from '../lambda-host.ts';
import { type Drained, stopwatch, type Variant } from '../measure.ts';
import { withClient } from '../servers.ts';
import { checkDelivered } from './engine.ts';
import { type EngineStores, type RelaySettings, relayDeps } from './engine-stores.ts';

export interface LambdaService {
  variant(stores: EngineStores, settings: RelaySettings): Variant;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 50;
const LIMIT_MS = 120_000;

/** @throws {Error} one line, when the emulator is not installed or does not start. */
export async function startLambda(front: Front): Promise<LambdaService> {
  const host = await startLambdaHost(front, 'relay');
  return {
    stop: host.stop,
    variant: (stores, settings) => ({
      id: 'lambda',
      title: `engine in Lambda (emulator), Data API front, ${settings.shards} shards, batch ${settings.batchRows}`,
      run: async () => {
        const copy = await stores.copy();
        const { plan } = relayDeps(openAs(copy.urls, stores.roles), settings);
        const relay = await host.deploy({ ...plan, ...front.sections(copy.urls, stores.roles) });
        try {
          // Has nothing to do in this direction: it opens the container, which a deployed relay has had open for hours.
          await relay.call({ direction: 'reverse' });
          const drained = await drain(relay, copy, stores.events);
          await checkDelivered(copy.urls, stores.events);
          return drained;
        } finally {
          // Ends the run that is under way: authority lies elsewhere now.
          for (const url of [copy.urls.target, copy.urls.legacy])
            await withClient(url, (client) => client.query(`UPDATE crossfade.control SET direction = 'reverse'`));
          await relay.remove();
          await copy.drop();
        }
      },
    }),
  };
}

async function drain(relay: BenchFunction, copy: Copy, events: number): Promise<Drained> {
  return withClient(copy.urls.legacy, async (legacy) => {
    const read = stopwatch();
    await relay.start({ direction: 'forward' });
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const { rows } = await legacy.query(`SELECT FROM crossfade.outbox WHERE state = 'pending' LIMIT 1`);
      // The CPU is of another process.
      if (rows.length === 0) return { ...read(events), nodeCpuMs: undefined };
      if (Date.now() > deadline) throw new Error(`not drained in ${LIMIT_MS / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  });
}

import type { Deps } from '../../lib/application/deps.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import type { Direction } from '../../lib/domain/direction.ts';
import type { TestMigration } from './migration.ts';

/** Time for one look at an idle outbox; doubled until it was enough. */
const LOOK_MS = 100;
/** No test needs the relay for longer, on however slow a machine. */
const LIMIT_MS = 60_000;

/**
 * Runs the relay for `ms`, and then on until it finds nothing to do: on a slow machine `ms` may be over before the catalogues are
 * read. All shards begin their first look together, so a run that slept and delivered nothing has looked in each of them.
 * Throws when it still delivers after a minute.
 */
export async function relayUntilIdle(deps: Deps, direction: Direction, ms: number): Promise<void> {
  let asleep = 0;
  const clock = {
    ...deps.clock,
    sleep: (...args: Parameters<Deps['clock']['sleep']>) => {
      asleep += 1;
      return deps.clock.sleep(...args);
    },
  };
  const begun = performance.now();
  for (let length = ms; ; length *= 2) {
    asleep = 0;
    const until = new Date(deps.clock.now().getTime() + length);
    const { delivered } = await runRelay({ ...deps, clock }, direction, { until });
    // Before its time: nothing is installed, or authority lies elsewhere.
    if (deps.clock.now() < until) return;
    if (delivered === 0 && asleep > 0) return;
    if (performance.now() - begun > LIMIT_MS)
      throw new Error(`the relay was not idle after a minute: its last run delivered ${delivered} events`);
    if (delivered > 0) length = LOOK_MS / 2;
  }
}

/** Runs the relay forward until nothing waits in the outbox or for a repair. Throws what still waits after a minute. */
export async function relayUntilDone(stores: Pick<TestMigration, 'deps' | 'legacy' | 'target'>): Promise<void> {
  for (const begun = performance.now(); ; ) {
    await relayUntilIdle(stores.deps, 'forward', LOOK_MS);
    const events = await stores.legacy.query(
      `SELECT table_name, row_key, reason FROM crossfade.outbox WHERE state = 'pending' LIMIT 5`,
    );
    const repairs = await stores.target.query('SELECT table_name, row_key, reason FROM crossfade.repair_queue LIMIT 5');
    const waiting = [...events.rows, ...repairs.rows];
    if (waiting.length === 0) return;
    if (performance.now() - begun > LIMIT_MS)
      throw new Error(`still waiting after a minute of relaying: ${JSON.stringify(waiting)}`);
  }
}

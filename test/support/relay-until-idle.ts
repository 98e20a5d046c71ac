import type { Deps } from '../../lib/application/deps.ts';
import { runRelay } from '../../lib/application/relay/relay.ts';
import type { Direction } from '../../lib/domain/direction.ts';

/**
 * Runs the relay for `ms`, and then on until it finds nothing to do: on a slow machine `ms` may be over before the catalogues are
 * read. All shards begin their first look together, so a run that slept and delivered nothing has looked in each of them.
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
  for (let length = ms; ; length *= 2) {
    asleep = 0;
    const until = new Date(deps.clock.now().getTime() + length);
    const { delivered } = await runRelay({ ...deps, clock }, direction, { until });
    // Before its time: nothing is installed, or authority lies elsewhere.
    if (deps.clock.now() < until) return;
    if (delivered === 0 && asleep > 0) return;
    if (delivered > 0) length = LOOK_MS / 2;
  }
}

/** Time for one look at an idle outbox; doubled until it was enough. */
const LOOK_MS = 100;

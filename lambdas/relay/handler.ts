/** Runs the relay of one direction for the plan's time. EventBridge starts it every minute; the next one takes over its leases. */
import { type RelayReport, runRelay } from '../../lib/application/relay/relay.ts';
import type { Direction } from '../../lib/domain/direction.ts';
import { createHandler } from '../shared/handler.ts';

export interface RelayEvent {
  readonly direction: Direction;
  /** Woken in between: does what nobody else is doing, and leaves the rest to whoever is. */
  readonly wake?: boolean;
}

export const handler = createHandler<RelayEvent, RelayReport>((deps, { direction, wake }) => {
  const until = new Date(deps.clock.now().getTime() + deps.plan.relay.runFor);
  return runRelay(deps, direction, { until, takesOver: wake !== true });
});

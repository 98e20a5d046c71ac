/** Retry queues in memory. Delays are kept for tests to read; messages are at hand at once. */
import type { RetryMessage } from '../../contracts/messages.ts';
import { DIRECTIONS, type Direction } from '../../domain/direction.ts';
import type { RetryQueues } from '../../ports/queue.ts';

export interface MemoryQueues extends RetryQueues {
  /** What waits, oldest first. */
  waiting(direction: Direction): readonly { readonly message: RetryMessage; readonly delaySeconds: number }[];
  /** Takes the oldest waiting message, as Lambda would; the caller settles it. */
  receive(
    direction: Direction,
  ): { readonly message: RetryMessage; done(): void; retry(): void; bury(): void } | undefined;
}

interface Lane {
  waiting: { readonly message: RetryMessage; readonly delaySeconds: number }[];
  inFlight: number;
  dead: RetryMessage[];
}

export function createMemoryQueues(): MemoryQueues {
  const lanes = new Map<Direction, Lane>(
    DIRECTIONS.map((direction) => [direction, { waiting: [], inFlight: 0, dead: [] }]),
  );
  const laneOf = (direction: Direction): Lane => {
    const lane = lanes.get(direction);
    if (lane === undefined) throw new RangeError(`there is no direction ${direction}`);
    return lane;
  };
  return {
    send: async (direction, messages, delaySeconds) => {
      laneOf(direction).waiting.push(
        ...messages.map((message) => ({ message: structuredClone(message), delaySeconds })),
      );
    },
    // A received message is settled by its own functions here; see `receive`.
    showAgain: async () => {},
    depth: async (direction) => {
      const { waiting, inFlight, dead } = laneOf(direction);
      return { waiting: waiting.length, inFlight, dead: dead.length };
    },
    drainDead: async (direction, limit, back) => {
      const lane = laneOf(direction);
      let drained = 0;
      for (; drained < limit; drained += 1) {
        const message = lane.dead[0];
        if (message === undefined) break;
        await back(structuredClone(message));
        lane.dead.shift();
      }
      return drained;
    },
    waiting: (direction) => [...laneOf(direction).waiting],
    receive: (direction) => {
      const lane = laneOf(direction);
      const taken = lane.waiting.shift();
      if (taken === undefined) return undefined;
      lane.inFlight += 1;
      const settle = (act: () => void) => () => {
        lane.inFlight -= 1;
        act();
      };
      return {
        message: taken.message,
        done: settle(() => undefined),
        retry: settle(() => lane.waiting.push(taken)),
        bury: settle(() => lane.dead.push(taken.message)),
      };
    },
  };
}

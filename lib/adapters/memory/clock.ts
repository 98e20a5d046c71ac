/** Virtual time. Nothing waits really: sleepers wake when time is moved past them, in order, or at once with `autoAdvance`. */
import type { Clock } from '../../ports/clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time on, waking each sleeper at its own moment; resolves when what they do at once is done. */
  advance(ms: number): Promise<void>;
  set(now: Date): void;
  /** Sleepers that wait. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly wakeAt: number;
  readonly wake: () => void;
}

export const VIRTUAL_START = new Date('2026-01-05T12:00:00.000Z');

export function createVirtualClock({
  start = VIRTUAL_START,
  autoAdvance = false,
}: {
  readonly start?: Date;
  readonly autoAdvance?: boolean;
} = {}): VirtualClock {
  let now = start.getTime();
  let sleeping: Sleeper[] = [];
  const wakeNext = (until: number): boolean => {
    const next = sleeping.toSorted((a, b) => a.wakeAt - b.wakeAt)[0];
    if (next === undefined || next.wakeAt > until) return false;
    now = Math.max(now, next.wakeAt);
    sleeping = sleeping.filter((sleeper) => sleeper !== next);
    next.wake();
    return true;
  };
  return {
    now: () => new Date(now),
    sleep: async (ms, signal) => {
      if (signal?.aborted === true) return;
      if (autoAdvance) {
        now += Math.max(0, ms);
        // Others get their turn, as they would in a real sleep.
        await settle();
        return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const sleeper = { wakeAt: now + Math.max(0, ms), wake: resolve };
      sleeping.push(sleeper);
      const abort = () => {
        sleeping = sleeping.filter((other) => other !== sleeper);
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
      await promise;
      signal?.removeEventListener('abort', abort);
    },
    advance: async (ms) => {
      const until = now + ms;
      await settle();
      while (wakeNext(until)) await settle();
      now = until;
    },
    set: (time) => {
      now = time.getTime();
    },
    get sleepers() {
      return sleeping.length;
    },
  };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

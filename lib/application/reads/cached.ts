/**
 * A value of the control table that reads depend on but never wait long for: one load at a time, the last known value while a
 * load is slow or fails. DynamoDB that is down costs a container one short wait each `ttlMs`, and no read fails for it (design §6).
 */
import type { Clock } from '../../ports/clock.ts';
import { withinTime } from './within-time.ts';

export interface Cached<T> {
  /** undefined: never loaded. */
  get(): Promise<T | undefined>;
  /** What the caller itself wrote, or knows better. */
  set(value: T): void;
  /** The next `get` loads again. */
  expire(): void;
}

export interface CachedOptions<T> {
  readonly clock: Clock;
  readonly ttlMs: number;
  /** Longest wait for a load when a value is known already, and when none is. */
  readonly patienceMs: number;
  readonly firstPatienceMs: number;
  readonly load: () => Promise<T>;
  readonly onFailure: (error: unknown) => void;
}

export function createCached<T>({
  clock,
  ttlMs,
  patienceMs,
  firstPatienceMs,
  load,
  onFailure,
}: CachedOptions<T>): Cached<T> {
  let known: { readonly value: T } | undefined;
  let staleAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;
  // A load that began before `set` brings what was true before it.
  let writes = 0;

  const reload = async (): Promise<void> => {
    const writesBefore = writes;
    try {
      const value = await load();
      if (writes === writesBefore) known = { value };
    } catch (error) {
      onFailure(error);
    } finally {
      staleAt = clock.now().getTime() + ttlMs;
      loading = undefined;
    }
  };
  return {
    get: async () => {
      if (clock.now().getTime() >= staleAt) {
        loading ??= reload();
        await withinTime(clock, known === undefined ? firstPatienceMs : patienceMs, loading);
      }
      return known?.value;
    },
    set: (value) => {
      writes += 1;
      known = { value };
      staleAt = clock.now().getTime() + ttlMs;
    },
    expire: () => {
      staleAt = Number.NEGATIVE_INFINITY;
    },
  };
}

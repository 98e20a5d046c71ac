/**
 * How reads were answered, added up in minute buckets (`reads` documents) that the cutover machine judges. A fallback or an error
 * is written at once, because the gate asks for none; plain answers at most once a second. A write that fails is tried again
 * with the next one, and no read waits long for it.
 */
import type { Deps } from '../deps.ts';
import { withinTime } from './within-time.ts';

export const READ_COUNTS = [
  'target',
  'legacy',
  'fallbacks',
  'fallbackTimeout',
  'fallbackOpen',
  'fallbackError',
  /** Demanded positions that the target had not reached: legacy answers by right, so it is no failure. */
  'behind',
  'errors',
] as const;
export type ReadCount = (typeof READ_COUNTS)[number];

export interface ReadCounters {
  add(...counts: readonly ReadCount[]): void;
  /** Writes what is due; called before each answer. */
  settle(): Promise<void>;
}

const FLUSH_MS = 1_000;
const PATIENCE_MS = 250;
const URGENT: ReadonlySet<ReadCount> = new Set(['fallbacks', 'errors']);

/** @param flushMs longest time that plain answers stay in the container. */
export function createReadCounters(
  deps: Pick<Deps, 'documents' | 'clock' | 'log'>,
  flushMs: number = FLUSH_MS,
): ReadCounters {
  const { documents, clock, log } = deps;
  const buckets = new Map<string, Map<ReadCount, number>>();
  let isUrgent = false;
  let flushedAt = Number.NEGATIVE_INFINITY;

  const addTo = (minute: string, count: ReadCount, by: number): void => {
    const bucket = buckets.get(minute) ?? new Map<ReadCount, number>();
    bucket.set(count, (bucket.get(count) ?? 0) + by);
    buckets.set(minute, bucket);
  };
  const write = async (minute: string, bucket: ReadonlyMap<ReadCount, number>): Promise<void> => {
    try {
      await documents.add('reads', minute, Object.fromEntries(bucket));
    } catch (error) {
      for (const [count, by] of bucket) addTo(minute, count, by);
      log.warn('read counts cannot be written; they are tried again', { minute, error: String(error) });
    }
  };
  return {
    add: (...counts) => {
      for (const count of counts) {
        addTo(minuteOf(clock.now()), count, 1);
        isUrgent ||= URGENT.has(count);
      }
    },
    settle: async () => {
      const now = clock.now().getTime();
      if (buckets.size === 0 || (!isUrgent && now - flushedAt < flushMs)) return;
      flushedAt = now;
      isUrgent = false;
      const taken = [...buckets];
      buckets.clear();
      await withinTime(clock, PATIENCE_MS, Promise.all(taken.map(([minute, bucket]) => write(minute, bucket))));
    },
  };
}

/** `2026-01-05T12:00`. */
export function minuteOf(time: Date): string {
  return time.toISOString().slice(0, 16);
}

import type { Clock } from '../../ports/clock.ts';

/** The answer of `work`, or undefined when it takes longer. The work goes on; a failure after that is nobody's concern. */
export async function withinTime<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const sleeper = new AbortController();
  const late = clock.sleep(ms, sleeper.signal).then(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work.then((value) => ({ value })), late]);
  } finally {
    sleeper.abort();
  }
}

/** A guard on time: a demo that hangs must say where. */
import { DemoFailure } from './demo.ts';

/** @throws {DemoFailure} when the work takes longer than `limitSeconds`; it is not ended by that, the caller ends everything. */
export async function withinLimit<T>(title: string, limitSeconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new DemoFailure(
            `${title} took longer than its limit of ${limitSeconds} s; the last lines above say what it was doing`,
          ),
        ),
      limitSeconds * 1000,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // What goes on after its limit may fail later; that is no news.
    work.catch(() => {});
  }
}

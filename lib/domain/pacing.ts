/** `batchesPerSecond`: how long to wait so that batches keep to their rate from a start on, without catching up in a burst. */

export interface Pace {
  readonly batchesPerSecond: number;
  /** When the batch before this one was due or began, whichever is later; milliseconds of the clock. */
  readonly lastMs: number | null;
}

/** @returns milliseconds until the next batch may begin, and the pace after it. A late batch does not entitle to a burst. */
export function paceNext(pace: Pace, nowMs: number): { readonly waitMs: number; readonly pace: Pace } {
  const dueMs = pace.lastMs === null ? nowMs : Math.max(nowMs, pace.lastMs + 1000 / pace.batchesPerSecond);
  return { waitMs: dueMs - nowMs, pace: { ...pace, lastMs: dueMs } };
}

/** Shortest time in seconds in which so many batches can pass: what a dry run forecasts. */
export function forecastSeconds(batches: number, batchesPerSecond: number): number {
  return batches <= 1 ? 0 : (batches - 1) / batchesPerSecond;
}

/** Exponential backoff with jitter; numbers come from the plan (guide phase 3: exponential_backoff_3x). */
export interface Backoff {
  /** Milliseconds. */
  readonly first: number;
  readonly factor: number;
  /** Milliseconds. */
  readonly max: number;
  readonly jitterPercent: number;
}

/**
 * @param attempt 1 for the first retry.
 * @param random 0…1, passed in so that tests own it.
 * @returns milliseconds to wait.
 */
export function retryDelay(backoff: Backoff, attempt: number, random: number): number {
  const full = Math.min(backoff.max, backoff.first * backoff.factor ** (attempt - 1));
  const jitter = (full * backoff.jitterPercent) / 100;
  return Math.round(full - jitter + jitter * random);
}

/** Time is passed in, so that tests own it. `sleep` ends early when the signal aborts. */
export interface Clock {
  now(): Date;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Error names that state machines match in Retry and Catch; a test reads the ASL to confirm that each exists here. Pause and halt
 * are answers of a step and no errors.
 */
/** A store, queue or AWS API failed in a way that may pass: retried with backoff. */
export const TRANSIENT_ERROR = 'Crossfade.Transient';

export const STEP_ERROR_NAMES = [TRANSIENT_ERROR] as const;

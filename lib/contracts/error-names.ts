/** Error names that state machines match in Retry and Catch; a test reads the ASL to confirm that each exists here. */
/** Thrown by a step while the migration is paused: retried slowly until `crossfade resume`. */
export const PAUSED_ERROR = 'Crossfade.Paused';
/** Thrown by a step after `crossfade halt`: caught, ends the run as halted. */
export const HALTED_ERROR = 'Crossfade.Halted';
/** A store, queue or AWS API failed in a way that may pass: retried with backoff. */
export const TRANSIENT_ERROR = 'Crossfade.Transient';

export const STEP_ERROR_NAMES = [PAUSED_ERROR, HALTED_ERROR, TRANSIENT_ERROR] as const;

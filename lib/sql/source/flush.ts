import type { Statement } from '../statement.ts';

/**
 * Commits something, and with it flushes all that the source has logged so far. A snapshot shows a transaction that was rolled
 * back as ended; were its number not on disk yet, a crash of the source would give it out again, and the new transaction's
 * events would look as if the snapshot had seen them. So no snapshot is kept by the receiver before this has returned.
 * Needs synchronous_commit, which is the default.
 */
export const flushSource: Statement = {
  text: `SELECT pg_logical_emit_message(true, 'crossfade', '')::text AS lsn`,
  values: [],
};

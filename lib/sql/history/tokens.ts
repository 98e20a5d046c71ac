/** The handshake by which a store notices that the other one was restored to an earlier state (protocol §8). */
import type { Statement } from '../statement.ts';

export interface SourceHistoryRow {
  readonly epoch: number;
  readonly token_n: string;
  readonly token: string | null;
  /** Highest token that the receiver has confirmed, as far as the source knows. */
  readonly acked_n: string;
  /** Direction in force, as the source has it. */
  readonly direction: string;
}

export const readSourceHistory: Statement = {
  text: `
SELECT s.epoch, s.token_n::text AS token_n, s.token, s.acked_n::text AS acked_n, c.direction
FROM crossfade.source AS s CROSS JOIN crossfade.control AS c`,
  values: [],
};

/** No effect when somebody else was first. */
export function writeToken(n: string, token: string, after: string): Statement {
  return {
    text: 'UPDATE crossfade.source SET token_n = $1::bigint, token = $2::text WHERE token_n = $3::bigint RETURNING token_n::text AS n',
    values: [n, token, after],
  };
}

export function acknowledgeToken(n: string): Statement {
  return {
    text: 'UPDATE crossfade.source SET acked_n = $1::bigint WHERE acked_n < $1::bigint AND token_n >= $1::bigint',
    values: [n],
  };
}

export interface ReceiverHistoryRow {
  readonly source_epoch: number;
  /** JSON text as it was saved; null before the first contact. */
  readonly state: string | null;
}

export const readReceiverHistory: Statement = {
  text: `
SELECT c.source_epoch, u.state FROM crossfade.control AS c LEFT JOIN crossfade.upkeep AS u ON u.name = 'history'`,
  values: [],
};

/** Compare and swap on the text that was read: two relays never overwrite each other. Answers with a row when it took effect. */
export function swapReceiverHistory(before: string | null, after: string): Statement {
  return {
    text: `
INSERT INTO crossfade.upkeep AS u (name, state) SELECT 'history', $2::text WHERE $1::text IS NULL OR EXISTS (SELECT FROM crossfade.upkeep WHERE name = 'history')
ON CONFLICT (name) DO UPDATE SET state = excluded.state, at = clock_timestamp() WHERE u.state = $1::text
RETURNING u.name`,
    values: [before, after],
  };
}

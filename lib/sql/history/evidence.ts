/** What the receiver has applied must be in the source: an event that is not there, or is another one, is a history that was lost. */
import type { Statement } from '../statement.ts';

export interface AppliedEventRow {
  readonly seq: string;
  readonly key: string;
}

/** The last events that the receiver applied under its epoch, not older than `withinMs`. */
export function lastApplied(withinMs: number, limit: number): Statement {
  return {
    text: `
SELECT l.seq::text AS seq, l.idempotency_key AS key FROM (
  SELECT seq, idempotency_key, epoch, kind, applied_at FROM crossfade.applied_log ORDER BY id DESC LIMIT $2::integer
) AS l CROSS JOIN crossfade.control AS c
WHERE l.kind = 'E' AND l.epoch = c.source_epoch AND l.idempotency_key IS NOT NULL AND l.applied_at > clock_timestamp() - $1::bigint * interval '1 millisecond'`,
    values: [withinMs, limit],
  };
}

export interface ContradictionRow {
  readonly seq: string;
  /** `other`: the source has another event under this number. `ahead`: the source has never come that far. */
  readonly kind: 'other' | 'ahead';
}

/** An outbox that is empty proves nothing by its highest number: it may have been pruned. */
export function contradictions(applied: readonly AppliedEventRow[]): Statement {
  return {
    text: `
SELECT w.seq::text AS seq, CASE WHEN o.seq IS NULL THEN 'ahead' ELSE 'other' END AS kind
FROM json_to_recordset($1::json) AS w(seq bigint, key text)
LEFT JOIN crossfade.outbox AS o ON o.seq = w.seq
WHERE CASE WHEN o.seq IS NULL
  THEN w.seq > (SELECT max(seq) FROM crossfade.outbox) OR w.seq > (SELECT last_value FROM crossfade.outbox_seq)
  ELSE o.idempotency_key <> w.key END
ORDER BY w.seq LIMIT 20`,
    values: [JSON.stringify(applied)],
  };
}

import type { Statement } from '../statement.ts';

export interface RedriveScope {
  /** Only what has not been touched for this long. */
  readonly untouchedForMs?: number | undefined;
  /** Only events of these tenants; absent: of all. */
  readonly tenants?: readonly string[] | undefined;
  /** Only these events. */
  readonly seqs?: readonly string[] | undefined;
  /** For the event log: who brings them back, and why. */
  readonly why?: string | undefined;
}

export interface RedrivenRow {
  /** How many; a list of them might be more than the Data API answers with. */
  readonly events: string;
}

/** Brings dead-lettered and parked events back to the relay; `retry`: those whose message was lost. */
export function redriveEvents(
  states: readonly ('dead' | 'parked' | 'retry')[],
  { untouchedForMs = 0, tenants, seqs, why = 'brought back' }: RedriveScope = {},
): Statement {
  return {
    text: `
WITH back AS (
  UPDATE crossfade.outbox AS o SET state = 'pending', reason = NULL, not_before = NULL, touched_at = clock_timestamp()
  -- The literal states are those of the index of undelivered events: by the parameter alone the whole outbox would be read.
  WHERE o.state IN ('retry', 'parked', 'dead') AND o.state IN (SELECT json_array_elements_text($1::json))
    AND (o.touched_at IS NULL OR o.touched_at <= clock_timestamp() - $2::integer * interval '1 millisecond')
    AND ($3::json IS NULL OR coalesce(o.new_tenant, o.old_tenant, '*') IN (SELECT json_array_elements_text($3::json)))
    AND ($5::json IS NULL OR o.seq IN (SELECT value::bigint FROM json_array_elements_text($5::json)))
  RETURNING o.seq
), noted AS (
  INSERT INTO crossfade.event_log (seq, state, reason) SELECT seq, 'redriven', $4::text FROM back
)
SELECT count(*)::text AS events FROM back`,
    values: [JSON.stringify(states), untouchedForMs, listOrNull(tenants), why, listOrNull(seqs)],
  };
}

function listOrNull(list: readonly string[] | undefined): string | null {
  return list === undefined ? null : JSON.stringify(list);
}

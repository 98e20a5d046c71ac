import type { Statement } from '../statement.ts';

/** Brings dead-lettered and parked events back to the relay. */
export function redriveEvents(states: readonly ('dead' | 'parked' | 'retry')[], untouchedForMs = 0): Statement {
  return {
    text: `
UPDATE crossfade.outbox SET state = 'pending', reason = NULL, not_before = NULL, touched_at = clock_timestamp()
WHERE state IN (SELECT json_array_elements_text($1::json))
  AND (touched_at IS NULL OR touched_at <= clock_timestamp() - $2::integer * interval '1 millisecond')
RETURNING seq::text AS seq`,
    values: [JSON.stringify(states), untouchedForMs],
  };
}

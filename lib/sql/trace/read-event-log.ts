import type { Statement } from '../statement.ts';
import { isoTime } from './times.ts';

export interface LoggedEvent {
  readonly seq: string;
  readonly at: string;
  readonly state: string;
  readonly reason: string | null;
  readonly batch: string | null;
}

/** What happened to these events on the way, oldest first. */
export function readEventLog(seqs: readonly string[], limit: number): Statement {
  return {
    text: `
SELECT seq::text AS seq, ${isoTime('at')} AS at, state, reason, batch FROM crossfade.event_log
WHERE seq IN (SELECT value::bigint FROM json_array_elements_text($1::json)) ORDER BY id LIMIT $2::integer`,
    values: [JSON.stringify(seqs), limit],
  };
}

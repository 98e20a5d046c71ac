import type { Statement } from '../statement.ts';

export interface StuckRepairRow {
  readonly table_name: string;
  readonly row_key: string;
  readonly reason: string;
}

/** Queued repairs that have not succeeded for longer than `ageMs`, oldest first: each row is not what its source holds. */
export function stuckRepairs(ageMs: number, limit: number): Statement {
  return {
    text: `
SELECT table_name, row_key, reason FROM crossfade.repair_queue
WHERE since <= clock_timestamp() - $1::bigint * interval '1 millisecond' ORDER BY since LIMIT $2::integer`,
    values: [ageMs, limit],
  };
}

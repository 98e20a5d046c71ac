/** What the witnesses wrote down (witness-table.ts), and what reconciliation found without a name. */
import type { Statement } from '../statement.ts';

export interface ForeignWritesRow {
  readonly table_name: string;
  /** Null: found by reconciliation; whoever it was had disabled every trigger. */
  readonly role_name: string | null;
  readonly application_name: string | null;
  readonly client_addr: string | null;
  readonly writes: string;
  readonly first_at: string;
  readonly last_at: string;
  readonly last_id: string;
  /** JSON list of `op row_key`. */
  readonly sample: string;
}

/** Open ones, one row a writer and table. */
export function openForeignWrites(sampled: number): Statement {
  return {
    text: `
SELECT table_name, role_name, application_name, client_addr, count(*)::text AS writes, max(id)::text AS last_id,
       to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS first_at, to_char(max(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_at,
       coalesce(json_agg(op::text || ' ' || coalesce(row_key, 'all rows') ORDER BY id) FILTER (WHERE place <= $1::integer), '[]')::text AS sample
FROM (
  SELECT *, row_number() OVER (PARTITION BY table_name, role_name, application_name, client_addr ORDER BY id) AS place
  FROM crossfade.foreign_write WHERE closed_at IS NULL
) AS f
GROUP BY table_name, role_name, application_name, client_addr
ORDER BY 1, 2, 3, 4`,
    values: [sampled],
  };
}

/** A fresh read of the row was written since: whatever the foreign writer left there is gone. */
export const closeRepairedWrites: Statement = {
  text: `
UPDATE crossfade.foreign_write AS f SET closed_at = clock_timestamp(), closed_by = 'repair'
WHERE f.closed_at IS NULL AND f.row_key IS NOT NULL AND EXISTS (
  SELECT FROM crossfade.applied_log AS l
  WHERE l.table_name = f.table_name AND l.row_key = f.row_key AND l.kind = 'S' AND l.applied_at > f.at
)`,
  values: [],
};

export function closeForeignWrites(
  writes: Pick<ForeignWritesRow, 'table_name' | 'role_name' | 'application_name' | 'client_addr' | 'last_id'>,
  by: string,
): Statement {
  return {
    text: `
UPDATE crossfade.foreign_write SET closed_at = clock_timestamp(), closed_by = $6::text
WHERE closed_at IS NULL AND table_name = $1::text AND role_name IS NOT DISTINCT FROM $2::text AND application_name IS NOT DISTINCT FROM $3::text
  AND client_addr IS NOT DISTINCT FROM $4::text AND id <= $5::bigint`,
    values: [writes.table_name, writes.role_name, writes.application_name, writes.client_addr, writes.last_id, by],
  };
}

export function pruneForeignWrites(keepMs: number, limit: number): Statement {
  return {
    text: `
WITH gone AS (
  DELETE FROM crossfade.foreign_write WHERE id IN (
    SELECT id FROM crossfade.foreign_write WHERE closed_at < clock_timestamp() - $1::bigint * interval '1 millisecond' ORDER BY id LIMIT $2::integer
  ) RETURNING 1
)
SELECT count(*)::text AS deleted FROM gone`,
    values: [keepMs, limit],
  };
}

import type { Statement } from '../statement.ts';

export interface TouchedKeyRow {
  readonly table_name: string;
  readonly row_key: string;
}

/** Rows captured since a moment: all that can have changed since a full pass that began after it. */
export function touchedKeys(since: string, after: TouchedKeyRow | null, limit: number): Statement {
  return {
    text: `
SELECT DISTINCT table_name, row_key FROM crossfade.outbox
WHERE captured_at >= $1::timestamptz AND ($2::text IS NULL OR (table_name, row_key) > ($2::text, $3::text))
ORDER BY table_name, row_key LIMIT $4::integer`,
    values: [since, after?.table_name ?? null, after?.row_key ?? null, limit],
  };
}

import type { Statement } from '../statement.ts';
import { isoTime } from './times.ts';

/** One entry of the applied log: what the receiver wrote, and under which version. */
export interface AppliedEntry {
  readonly idempotency_key: string | null;
  readonly correlation_id: string | null;
  readonly batch: string;
  readonly tenant: string | null;
  readonly generation: number | null;
  readonly table_name: string;
  readonly row_key: string;
  /** `E`: an event; `S`: a read of the source (backfill, repair). */
  /** `R`: taken back, by a way back or an undo. */
  readonly kind: 'E' | 'S' | 'R';
  readonly epoch: number;
  readonly seq: string | null;
  readonly snapshot: string | null;
  readonly action: 'U' | 'D';
  readonly applied_at: string;
}

const COLUMNS = `idempotency_key, correlation_id, batch, tenant, generation, table_name, row_key, kind::text AS kind, epoch, seq::text AS seq,
       snapshot::text AS snapshot, action::text AS action, ${isoTime('applied_at')} AS applied_at`;

/** By the id of the request, or of a repair or a copy, which log their batch as the correlation id. */
export function findAppliedByCorrelation(id: string, limit: number): Statement {
  return {
    text: `SELECT ${COLUMNS} FROM crossfade.applied_log WHERE correlation_id = $1::text ORDER BY id LIMIT $2::integer`,
    values: [id, limit],
  };
}

export interface TracedRow {
  readonly table: string;
  readonly rowKey: string;
}

/** Everything that was written to these rows, the newest first. */
export function findAppliedByRows(rows: readonly TracedRow[], limit: number): Statement {
  return {
    text: `
SELECT ${COLUMNS} FROM crossfade.applied_log AS a
JOIN json_to_recordset($1::json) AS wanted(t text, k text) ON a.table_name = wanted.t AND a.row_key = wanted.k
ORDER BY a.id DESC LIMIT $2::integer`,
    values: [asRecords(rows), limit],
  };
}

/** What the receiver knows of rows: their version (a tombstone when `deleted`), and the repair that they wait for. */
export interface RowState {
  readonly table_name: string;
  readonly row_key: string;
  readonly kind: 'E' | 'S' | null;
  readonly epoch: number | null;
  readonly seq: string | null;
  readonly snapshot: string | null;
  readonly deleted: boolean | null;
  readonly queued_at: string | null;
  readonly queue_reason: string | null;
}

export function readRowStates(rows: readonly TracedRow[]): Statement {
  return {
    text: `
SELECT wanted.t AS table_name, wanted.k AS row_key, v.kind::text AS kind, v.epoch, v.seq::text AS seq, v.snapshot::text AS snapshot, v.deleted,
       ${isoTime('q.queued_at')} AS queued_at, q.reason AS queue_reason
FROM json_to_recordset($1::json) AS wanted(t text, k text)
LEFT JOIN crossfade.row_version AS v ON v.table_name = wanted.t AND v.row_key = wanted.k
LEFT JOIN crossfade.repair_queue AS q ON q.table_name = wanted.t AND q.row_key = wanted.k`,
    values: [asRecords(rows)],
  };
}

function asRecords(rows: readonly TracedRow[]): string {
  return JSON.stringify(rows.map(({ table, rowKey }) => ({ t: table, k: rowKey })));
}

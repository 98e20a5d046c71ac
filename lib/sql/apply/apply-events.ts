import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { jsonList } from '../json-list.ts';
import type { Statement } from '../statement.ts';
import { REMOVES_WHAT_IT_SEES, wasOvertaken, writeRows } from './write-rows.ts';

export interface EventToApply {
  readonly seq: string;
  readonly epoch: number;
  readonly xid: string;
  readonly rowKey: string;
  readonly op: 'U' | 'D';
  readonly idempotencyKey: string;
  readonly correlationId: string | null;
  readonly oldTenant: string | null;
  readonly newTenant: string | null;
  readonly oldGeneration: number | null;
  readonly newGeneration: number | null;
  /** JSON text of the receiver's columns; null for a delete. */
  readonly row: string | null;
}

/**
 * What became of an event: `applied`, or refused for good by version, admission, epoch or floor. `authority` and `door` stay
 * pending: for whoever is in force now, and for the door of its generation, which is about to open under a G that does not cover it.
 * So does `unseen`: another writer of the row was waited for, and what it wrote is invisible to this statement's removal.
 */
export const EVENT_VERDICTS = ['applied', 'superseded', 'covered', 'authority', 'door', 'unseen'] as const;
export type EventVerdict = (typeof EVENT_VERDICTS)[number];

export interface EventVerdictRow {
  readonly seq: string;
  readonly verdict: EventVerdict;
}

/**
 * Applies events of one table, at most one for each row key, in one statement that is its own guard (protocol §2): the upsert
 * of row_version compares and locks, and only the keys that it returns are written. Admission and authority are locked FOR
 * SHARE, so that turning a tenant off or moving authority waits for applies in flight and later ones write nothing.
 */
export function applyEvents(
  table: MigratedTable,
  direction: Direction,
  batch: { readonly id: string; readonly authority: string; readonly events: readonly EventToApply[] },
): Statement {
  return {
    text: `/* crossfade batch ${commentSafe(batch.id)} */
WITH incoming AS (
  SELECT * FROM ROWS FROM (
    json_to_recordset($1::json) AS (s bigint, e integer, x text, k text, o text, i text, c text, ot text, nt text, og integer, ng integer)
  ) WITH ORDINALITY AS e(s, e, x, k, o, i, c, ot, nt, og, ng, place)
), control AS (
  SELECT authority, direction, source_epoch, floor FROM crossfade.control WHERE one FOR SHARE
), door AS (
  SELECT tenant, generation, is_on, opened_under FROM crossfade.admission
  WHERE tenant IN (SELECT json_array_elements_text($6::json)) ORDER BY tenant FOR SHARE
), judged AS (
  SELECT i.*, CASE
    WHEN c.authority <> $3::bigint OR c.direction <> $4::text THEN 'authority'
    WHEN i.e <> c.source_epoch THEN 'superseded'
    WHEN pg_visible_in_snapshot(i.x::xid8, c.floor) THEN 'covered'
    WHEN i.ng > coalesce(enter.generation, 0) OR i.og > coalesce(leave.generation, 0) THEN 'door'
    WHEN i.o = 'U' AND enter.is_on AND enter.generation = i.ng AND NOT pg_visible_in_snapshot(i.x::xid8, enter.opened_under) THEN 'write'
    WHEN leave.is_on AND leave.generation = i.og AND NOT pg_visible_in_snapshot(i.x::xid8, leave.opened_under) THEN 'remove'
    ELSE 'covered' END AS verdict
  FROM incoming AS i CROSS JOIN control AS c
  LEFT JOIN door AS enter ON enter.tenant = i.nt
  LEFT JOIN door AS leave ON leave.tenant = i.ot
), guard AS (
  INSERT INTO crossfade.row_version AS v (table_name, row_key, epoch, kind, seq, xid, snapshot, deleted)
  SELECT $2::text, k, e, 'E', s, x::xid8, NULL, verdict = 'remove' FROM judged WHERE verdict IN ('write', 'remove') ORDER BY k COLLATE "C"
  ON CONFLICT (table_name, row_key) DO UPDATE
  SET epoch = excluded.epoch, kind = 'E', seq = excluded.seq, xid = excluded.xid, snapshot = NULL, deleted = excluded.deleted
  WHERE ${beats({ epoch: 'excluded.epoch', seq: 'excluded.seq', xid: 'excluded.xid' })} AND ${REMOVES_WHAT_IT_SEES}
  RETURNING row_key, deleted
), ${writeRows(table, direction, '$7::json')}, logged AS (
  INSERT INTO crossfade.applied_log (idempotency_key, correlation_id, batch, tenant, generation, table_name, row_key, kind, epoch, seq, action)
  SELECT j.i, j.c, $5::text, CASE WHEN g.deleted THEN coalesce(j.ot, j.nt) ELSE j.nt END, CASE WHEN g.deleted THEN coalesce(j.og, j.ng) ELSE j.ng END,
         $2::text, j.k, 'E', j.e, j.s, CASE WHEN g.deleted THEN 'D' ELSE 'U' END
  FROM guard AS g JOIN judged AS j ON j.k = g.row_key
)
SELECT j.s::text AS seq, CASE WHEN j.verdict NOT IN ('write', 'remove') THEN j.verdict WHEN g.row_key IS NOT NULL THEN 'applied'
  WHEN ${wasOvertaken(beats({ epoch: 'j.e', seq: 'j.s', xid: 'j.x::xid8' }))} THEN 'unseen' ELSE 'superseded' END AS verdict
FROM judged AS j LEFT JOIN guard AS g ON g.row_key = j.k
ORDER BY j.s`,
    values: [
      JSON.stringify(batch.events.map(toRecord)),
      table.name,
      batch.authority,
      direction,
      batch.id,
      JSON.stringify([
        ...new Set(
          batch.events.flatMap((event) => [event.oldTenant, event.newTenant]).filter((tenant) => tenant !== null),
        ),
      ]),
      jsonList(batch.events.map(({ row }) => row)),
    ],
  };
}

/** Whether an event goes over the version `v` (protocol §2, second line). */
function beats({ epoch, seq, xid }: { readonly epoch: string; readonly seq: string; readonly xid: string }): string {
  return `(${epoch} > v.epoch OR (${epoch} = v.epoch AND CASE v.kind WHEN 'E' THEN ${seq} > v.seq ELSE NOT pg_visible_in_snapshot(${xid}, v.snapshot) END))`;
}

function toRecord(event: EventToApply) {
  return {
    s: event.seq,
    e: event.epoch,
    x: event.xid,
    k: event.rowKey,
    o: event.op,
    i: event.idempotencyKey,
    c: event.correlationId,
    ot: event.oldTenant,
    nt: event.newTenant,
    og: event.oldGeneration,
    ng: event.newGeneration,
  };
}

/** A batch id is ours, but it stands in SQL text. */
export function commentSafe(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9:_-]/g, '');
}

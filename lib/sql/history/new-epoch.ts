/** A new epoch in both stores (protocol §8): what belongs to the lost history is refused from then on. */
import type { Statement } from '../statement.ts';

/**
 * The receiver first: from its commit on every event and read of an earlier epoch is refused. Waits for the applies in flight. The
 * floor and the doors spoke of a history that is gone; the doors are opened again under snapshots of this one.
 * No effect when the epoch has begun already: doors may be open in it, and tokens have moved on.
 */
export function beginReceiverEpoch(epoch: number): readonly Statement[] {
  const isNew = 'EXISTS (SELECT FROM crossfade.control WHERE source_epoch < $1::integer)';
  return [
    // Locks out applies from the first statement on; the epoch itself is written last.
    {
      text: 'SELECT source_epoch FROM crossfade.control WHERE one AND source_epoch < $1::integer FOR UPDATE',
      values: [epoch],
    },
    { text: `UPDATE crossfade.admission SET is_on = false WHERE is_on AND ${isNew}`, values: [epoch] },
    { text: `UPDATE crossfade.upkeep SET state = '{}' WHERE name = 'history' AND ${isNew}`, values: [epoch] },
    { text: `DELETE FROM crossfade.upkeep WHERE name = 'floor' AND ${isNew}`, values: [epoch] },
    {
      text: `UPDATE crossfade.control SET source_epoch = $1::integer, floor = '1:1:' WHERE source_epoch < $1::integer`,
      values: [epoch],
    },
  ];
}

export interface BegunEpochRow {
  /** The transaction that began it. */
  readonly xid: string;
}

/** Capture stamps it from the commit on; what older transactions still write carries the old one. */
export function beginSourceEpoch(epoch: number): Statement {
  return {
    text: `
UPDATE crossfade.source SET epoch = $1::integer, token_n = 0, token = NULL, acked_n = 0 WHERE epoch < $1::integer
RETURNING pg_current_xact_id()::text AS xid`,
    values: [epoch],
  };
}

export interface OlderRow {
  readonly older: number;
}

/**
 * Transactions of this database that may still write under the epoch before `xid`: also those that have not written yet but see
 * the past. A snapshot of before has `xid` itself as its xmin when nothing older was open.
 */
export function olderTransactions(xid: string): Statement {
  return {
    text: `
SELECT (count(*) FILTER (WHERE age(a.backend_xmin) >= age($1::text::xid8::xid) OR age(a.backend_xid) > age($1::text::xid8::xid)))::integer
  + (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database() AND age(transaction) > age($1::text::xid8::xid))::integer AS older
FROM pg_stat_activity AS a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()`,
    values: [xid],
  };
}

/**
 * A tenant that is on again, in a generation that no door has seen: the restored store may have forgotten generations.
 * Repeatable: a tenant whose generation is above the door's already is left as it is.
 */
export function reopenTenant(
  tenant: string,
  aboveGeneration: number,
  stage: string,
  copied: boolean,
  why: string,
): Statement {
  return {
    text: `
INSERT INTO crossfade.tenant_state AS t (tenant, generation, is_on, stage, copied, why) VALUES ($1::text, $2::integer + 1, true, $3::text, $4::boolean, $5::text)
ON CONFLICT (tenant) DO UPDATE SET generation = greatest(t.generation, $2::integer) + 1, is_on = true, stage = excluded.stage, copied = excluded.copied,
  since = clock_timestamp(), why = excluded.why`,
    values: [tenant, aboveGeneration, stage, copied, why],
  };
}

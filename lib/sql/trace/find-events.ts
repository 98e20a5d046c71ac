import type { Statement } from '../statement.ts';
import { isoTime } from './times.ts';

/** An event as its outbox row tells it, without the payload. */
export interface TracedEvent {
  readonly seq: string;
  readonly epoch: number;
  readonly xid: string;
  readonly idempotency_key: string;
  readonly correlation_id: string | null;
  readonly table_name: string;
  readonly row_key: string;
  readonly op: 'U' | 'D';
  readonly old_tenant: string | null;
  readonly new_tenant: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly captured_at: string;
  readonly touched_at: string | null;
}

export type EventSearch =
  | { readonly by: 'correlation'; readonly id: string }
  | { readonly by: 'seqs'; readonly seqs: readonly string[] }
  /** No index has it: the outbox is read through, within the role's statement timeout. */
  | { readonly by: 'idempotency'; readonly key: string }
  /** Undelivered ones; those that have ended are found by the applied log. */
  | { readonly by: 'row'; readonly table: string; readonly rowKey: string };

export function findEvents(search: EventSearch, limit: number): Statement {
  const { condition, values } = conditionOf(search);
  return {
    text: `
SELECT seq::text AS seq, epoch, xid::text AS xid, idempotency_key, correlation_id, table_name, row_key, op::text AS op, old_tenant, new_tenant,
       state, reason, ${isoTime('captured_at')} AS captured_at, ${isoTime('touched_at')} AS touched_at
FROM crossfade.outbox WHERE ${condition} ORDER BY outbox.seq LIMIT $1::integer`,
    values: [limit, ...values],
  };
}

function conditionOf(search: EventSearch): { readonly condition: string; readonly values: readonly string[] } {
  switch (search.by) {
    case 'correlation':
      return { condition: 'correlation_id = $2::text', values: [search.id] };
    case 'seqs':
      return {
        condition: 'seq IN (SELECT value::bigint FROM json_array_elements_text($2::json))',
        values: [JSON.stringify(search.seqs)],
      };
    case 'idempotency':
      return { condition: 'idempotency_key = $2::text', values: [search.key] };
    case 'row':
      return {
        condition: `table_name = $2::text AND row_key = $3::text AND state IN ('pending', 'retry', 'parked', 'dead')`,
        values: [search.table, search.rowKey],
      };
  }
}

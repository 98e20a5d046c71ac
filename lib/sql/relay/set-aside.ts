import type { Statement } from '../statement.ts';

export interface SetAsideRow {
  readonly seq: string;
  readonly state: 'parked' | 'dead';
  readonly table_name: string;
  readonly row_key: string;
  readonly tenant: string | null;
  readonly reason: string | null;
}

/** Parked and dead-lettered events with their reasons, oldest first. */
export function setAside(limit: number): Statement {
  return {
    text: `
SELECT seq::text AS seq, state, table_name, row_key, coalesce(new_tenant, old_tenant) AS tenant, reason
FROM crossfade.outbox AS o WHERE state IN ('parked', 'dead')
-- o.seq + 0: by the index of undelivered events, never along the whole outbox.
ORDER BY o.seq + 0 LIMIT $1::integer`,
    values: [limit],
  };
}

/** How many events of a tenant were set aside for one and the same reason. */
export interface SetAsideGroup {
  readonly tenant: string;
  readonly state: 'parked' | 'dead';
  readonly table: string;
  readonly reason: string;
  readonly events: number;
}

/** By tenant and reason, the most frequent first. */
export function setAsideGroups(limit: number): Statement {
  return {
    text: `
SELECT coalesce(new_tenant, old_tenant, '*') AS tenant, state, table_name AS "table", coalesce(reason, 'no reason recorded') AS reason, count(*)::integer AS events
FROM crossfade.outbox WHERE state IN ('parked', 'dead') GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC, 1, 2, 3, 4 LIMIT $1::integer`,
    values: [limit],
  };
}

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
FROM crossfade.outbox WHERE state IN ('parked', 'dead') ORDER BY seq LIMIT $1::integer`,
    values: [limit],
  };
}

import type { Statement } from '../statement.ts';

export interface TableTriggerRow {
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
  /** `O`: fires for ordinary sessions, `A`: always, `R`: replicas only, `D`: disabled. */
  readonly enabled: string;
  readonly before_row: boolean;
}

/** Triggers that people made; Crossfade's own and those of constraints are left out. */
export function tableTriggers(relations: readonly (readonly [string, string])[]): Statement {
  return {
    text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, t.tgname::text AS name, t.tgenabled::text AS enabled, t.tgtype & 3 = 3 AS before_row
FROM json_array_elements($1::json) AS wanted
JOIN pg_namespace n ON n.nspname = wanted ->> 0
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted ->> 1
JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname NOT LIKE 'crossfade\\_%'
ORDER BY 1, 2, 3`,
    values: [JSON.stringify(relations)],
  };
}

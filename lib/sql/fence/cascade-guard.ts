/**
 * What a receiver's foreign keys do by themselves (ON DELETE CASCADE, SET NULL, ON UPDATE CASCADE) changes rows past their row
 * versions. An older delete of a parent would then take along children whose newer state has been written already, and nothing
 * would ever bring them back (design §8.2). So a delete by cascade is refused, as a foreign key without an action would refuse
 * it, and the parent waits for its children's own events; an update by cascade is let through and the row is read afresh.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteLiteral, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export const CASCADE_TRIGGER = 'crossfade_cascade';

/**
 * AFTER, because its WHEN is then judged without a call for every row that Crossfade itself writes (depth 0).
 * @param appliers roles whose statements are guarded.
 */
export function guardCascades(table: MigratedTable, appliers: readonly string[]): Statement {
  const key = table.key.map(({ name, type }) => (type.startsWith('numeric') ? `n${name}` : `-${name}`));
  const args = [table.name, JSON.stringify(appliers), ...key].map(quoteLiteral).join(', ');
  return {
    text: `CREATE OR REPLACE TRIGGER ${CASCADE_TRIGGER} AFTER UPDATE OR DELETE ON ${quoteRelation(table)} FOR EACH ROW WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION crossfade.guard_cascade(${args})`,
    values: [],
  };
}

export function unguardCascades(table: MigratedTable): Statement {
  return { text: `DROP TRIGGER IF EXISTS ${CASCADE_TRIGGER} ON ${quoteRelation(table)}`, values: [] };
}

/**
 * Arguments: the table's name in the plan, the appliers' roles as a JSON list, then the key's columns, `n` before a numeric one.
 * A foreign key's action queues its AFTER triggers for the statement around it, so they run at depth 1; a statement of an
 * application's own trigger runs them inside of it, at depth 2 or more, and is left alone.
 * SECURITY DEFINER: actions of foreign keys run as the table's owner, who may not write to the queue.
 */
export const GUARD_CASCADE_FUNCTION = `CREATE OR REPLACE FUNCTION crossfade.guard_cascade() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD' AS $$
DECLARE
  changed json;
BEGIN
  IF pg_trigger_depth() > 1 OR session_user::text NOT IN (SELECT json_array_elements_text(TG_ARGV[1]::json)) THEN RETURN NULL; END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'rows of %.% still refer to this row, and their own events have not come', TG_TABLE_SCHEMA, TG_TABLE_NAME
      USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
  END IF;
  changed := row_to_json(NEW);
  INSERT INTO crossfade.repair_queue (table_name, row_key, reason)
  SELECT TG_ARGV[0], '[' || string_agg(CASE left(part, 1) WHEN 'n' THEN to_json(trim_scale((changed ->> substr(part, 2))::numeric))::text ELSE (changed -> substr(part, 2))::text END, ', ' ORDER BY place) || ']',
         'changed by an action of a foreign key'
  FROM unnest(TG_ARGV[2:]) WITH ORDINALITY AS key(part, place)
  ON CONFLICT (table_name, row_key) DO UPDATE SET reason = excluded.reason, queued_at = clock_timestamp();
  RETURN NULL;
END
$$`;

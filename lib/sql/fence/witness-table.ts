/**
 * The witness of a fenced table: it writes down who wrote rows past the fence. A superuser who disables the fence's trigger, and
 * nothing else, is named; whoever disables every trigger is found by reconciliation instead (find-foreign-rows.ts).
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { rowKeyOf } from '../row.ts';
import type { Statement } from '../statement.ts';

export const WITNESS_TRIGGER = 'crossfade_witness';
export const WITNESS_TRUNCATE_TRIGGER = 'crossfade_witness_truncate';

interface Relation {
  readonly schema: string;
  readonly relation: string;
}

/** Row keys are printed alike in every session; whoever writes need not have any right on Crossfade's schema. */
const SETTINGS = [
  'SET search_path = pg_catalog, pg_temp',
  `SET "TimeZone" = 'UTC'`,
  `SET "DateStyle" = 'ISO, YMD'`,
  `SET "IntervalStyle" = 'postgres'`,
  'SET extra_float_digits = 1',
  `SET bytea_output = 'hex'`,
].join(' ');

/** For the install role, which owns the function: SECURITY DEFINER. */
export function witnessFunction(table: MigratedTable): Statement {
  const note = (key: string) => `
  INSERT INTO crossfade.foreign_write (table_name, row_key, op, role_name, application_name, client_addr, xid)
  VALUES (${quoteLiteral(table.name)}, ${key}, left(TG_OP, 1)::"char", session_user::text, nullif(current_setting('application_name', true), ''), host(inet_client_addr()), pg_current_xact_id());`;
  return {
    text: `
CREATE OR REPLACE FUNCTION ${witnessName(table)}() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ${SETTINGS} AS $witness$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN${note('NULL')}
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN${note(rowKeyOf(table, 'OLD'))}
  END IF;
  IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND ${rowKeyOf(table, 'OLD')} <> ${rowKeyOf(table, 'NEW')} THEN${note(rowKeyOf(table, 'NEW'))}
  END IF;
  RETURN NULL;
END
$witness$`,
    values: [],
  };
}

/**
 * WHEN is judged without a call: an apply pays for one comparison a row, and the trigger is not queued.
 *
 * @param relations the table and its partitions: a TRUNCATE of the one does not fire for the other; rows of partitions fire by the table's trigger.
 * @param pass roles that are not foreign: Crossfade's appliers.
 */
export function witnessTable(
  table: MigratedTable,
  relations: readonly Relation[],
  pass: readonly string[],
): readonly Statement[] {
  const foreign = `WHEN (session_user::text <> ALL (ARRAY[${pass.map(quoteLiteral).join(', ')}]::text[]))`;
  const name = `${witnessName(table)}()`;
  const rows = quoteRelation(table);
  return [
    `CREATE OR REPLACE TRIGGER ${WITNESS_TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON ${rows} FOR EACH ROW ${foreign} EXECUTE FUNCTION ${name}`,
    `ALTER TABLE ${rows} ENABLE ALWAYS TRIGGER ${WITNESS_TRIGGER}`,
    ...relations
      .map(quoteRelation)
      .flatMap((relation) => [
        `CREATE OR REPLACE TRIGGER ${WITNESS_TRUNCATE_TRIGGER} AFTER TRUNCATE ON ${relation} FOR EACH STATEMENT ${foreign} EXECUTE FUNCTION ${name}`,
        `ALTER TABLE ${relation} ENABLE ALWAYS TRIGGER ${WITNESS_TRUNCATE_TRIGGER}`,
      ]),
  ].map((text) => ({ text, values: [] }));
}

export function dismissWitness(table: Relation, relations: readonly Relation[]): readonly Statement[] {
  return [
    `DROP TRIGGER IF EXISTS ${WITNESS_TRIGGER} ON ${quoteRelation(table)}`,
    ...relations.map((relation) => `DROP TRIGGER IF EXISTS ${WITNESS_TRUNCATE_TRIGGER} ON ${quoteRelation(relation)}`),
  ].map((text) => ({ text, values: [] }));
}

function witnessName(table: MigratedTable): string {
  return `crossfade.${quoteIdentifier(`witness_${table.schema}_${table.relation}`)}`;
}

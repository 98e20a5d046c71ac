/**
 * Capture of one table (protocol §3): a function that re-reads a row by key and puts its state in the outbox, and an AFTER ROW
 * trigger that calls it for every row that a statement touched. `seq` is taken while the row lock is held, so for one row the
 * order of seq is the order of commits.
 */
import type { Direction } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { cleanedCorrelation } from '../correlation.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { capturedJson } from '../wire.ts';

export const CAPTURE_TRIGGER = 'crossfade_capture';
export const TRUNCATE_TRIGGER = 'crossfade_truncate';

/** Applications' sessions may have changed how values print; a function that prints the row pins what matters to it. */
const PINNED_SETTINGS = [
  `SET search_path = pg_catalog, pg_temp`,
  `SET "TimeZone" = 'UTC'`,
  `SET "DateStyle" = 'ISO, MDY'`,
  `SET "IntervalStyle" = 'postgres'`,
  `SET extra_float_digits = 1`,
  `SET bytea_output = 'hex'`,
  'SET row_security = off',
].join(' ');

/** Functions first: they may be replaced while the trigger of an earlier install is in place. */
export function captureFunctions(
  table: MigratedTable,
  tables: TablesByName,
  direction: Direction,
  appliers: readonly string[],
): readonly Statement[] {
  const statements = [emitFunction(table, tables, direction)];
  if (table.capture === 'client') {
    statements.push(`GRANT EXECUTE ON FUNCTION ${emitName(table)}(${emitTypes(table)}) TO PUBLIC`);
  } else {
    statements.push(
      `REVOKE ALL ON FUNCTION ${emitName(table)}(${emitTypes(table)}) FROM PUBLIC`,
      triggerFunction(table, tables, appliers),
    );
  }
  return statements.map((text) => ({ text, values: [] }));
}

/**
 * Waits for the writers already in the table and refuses to wait longer than the session's lock_timeout, so application
 * writes never queue behind it for long; the caller retries. ENABLE ALWAYS: also under session_replication_role = replica.
 */
export function captureTriggers(table: MigratedTable): readonly Statement[] {
  const relation = quoteRelation(table);
  const statements = [
    `CREATE OR REPLACE TRIGGER ${TRUNCATE_TRIGGER} BEFORE TRUNCATE ON ${relation} FOR EACH STATEMENT EXECUTE FUNCTION crossfade.refuse_truncate()`,
    `ALTER TABLE ${relation} ENABLE ALWAYS TRIGGER ${TRUNCATE_TRIGGER}`,
  ];
  if (table.capture === 'trigger') {
    statements.push(
      `CREATE OR REPLACE TRIGGER ${CAPTURE_TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON ${relation} FOR EACH ROW EXECUTE FUNCTION ${captureName(table)}()`,
      `ALTER TABLE ${relation} ENABLE ALWAYS TRIGGER ${CAPTURE_TRIGGER}`,
    );
  }
  return statements.map((text) => ({ text, values: [] }));
}

export function dropCapture(table: MigratedTable): readonly Statement[] {
  const relation = quoteRelation(table);
  return [
    `DROP TRIGGER IF EXISTS ${CAPTURE_TRIGGER} ON ${relation}`,
    `DROP TRIGGER IF EXISTS ${TRUNCATE_TRIGGER} ON ${relation}`,
    `DROP FUNCTION IF EXISTS ${captureName(table)}()`,
    table.capture === 'client'
      ? idleEmitFunction(table)
      : `DROP FUNCTION IF EXISTS ${emitName(table)}(${emitTypes(table)})`,
  ].map((text) => ({ text, values: [] }));
}

/** Applications that capture by themselves still call it: without the function their writes would fail. */
function idleEmitFunction(table: MigratedTable): string {
  const parameters = [...table.key.map((part, index) => `key_${index + 1} ${part.type}`), 'old_tenant text'].join(', ');
  return `CREATE OR REPLACE FUNCTION ${emitName(table)}(${parameters}) RETURNS void LANGUAGE sql AS ''`;
}

function captureName(table: MigratedTable): string {
  return `crossfade.${quoteIdentifier(`capture_${table.schema}_${table.relation}`)}`;
}

function emitName(table: MigratedTable): string {
  return `crossfade.${quoteIdentifier(`emit_${table.schema}_${table.relation}`)}`;
}

function emitTypes(table: MigratedTable): string {
  return [...table.key.map((part) => part.type), 'text'].join(', ');
}

/** emit_<schema>_<relation>(key…, old_tenant): one event with the row's state now; `D` when the row is not there. */
function emitFunction(table: MigratedTable, tables: TablesByName, direction: Direction): string {
  const columns = direction === 'forward' ? table.legacyColumns : table.targetColumns;
  const first = quoteIdentifier(table.key[0]?.name ?? '');
  const parameters = [...table.key.map((part, index) => `key_${index + 1} ${part.type}`), 'old_tenant text'].join(', ');
  const keyRow = table.key.map((part, index) => `key_${index + 1} AS ${quoteIdentifier(part.name)}`).join(', ');
  const match = table.key
    .map((part) => `crossfade_row.${quoteIdentifier(part.name)} = k.${quoteIdentifier(part.name)}`)
    .join(' AND ');
  return `
CREATE OR REPLACE FUNCTION ${emitName(table)}(${parameters}) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ${PINNED_SETTINGS} AS $capture$
BEGIN
  INSERT INTO crossfade.outbox (epoch, xid, idempotency_key, correlation_id, table_name, row_key, op, payload, old_tenant, new_tenant)
  SELECT s.epoch, pg_current_xact_id(), gen_random_uuid()::text, ${cleanedCorrelation()},
         ${quoteLiteral(table.name)}, ${rowKeyOf(table, 'k')},
         CASE WHEN crossfade_row.${first} IS NULL THEN 'D' ELSE 'U' END,
         CASE WHEN crossfade_row.${first} IS NULL THEN NULL ELSE ${capturedJson(columns, 'crossfade_row')} END,
         old_tenant, CASE WHEN crossfade_row.${first} IS NULL THEN NULL ELSE ${tenantOf(table, tables, 'crossfade_row')} END
  FROM crossfade.source AS s
  CROSS JOIN (SELECT ${keyRow}) AS k
  LEFT JOIN ${quoteRelation(table)} AS crossfade_row ON ${match};
END
$capture$`;
}

function triggerFunction(table: MigratedTable, tables: TablesByName, appliers: readonly string[]): string {
  const emit = (row: string, oldTenant: string) =>
    `PERFORM ${emitName(table)}(${table.key.map((part) => `${row}.${quoteIdentifier(part.name)}`).join(', ')}, ${oldTenant});`;
  const keyChanged = table.key
    .map((part) => `OLD.${quoteIdentifier(part.name)} IS DISTINCT FROM NEW.${quoteIdentifier(part.name)}`)
    .join(' OR ');
  const descendants = descendantsOf(table, tables).map((chain) => emitDescendants(chain));
  const moved =
    descendants.length === 0
      ? ''
      : `
    IF ${tenantOf(table, tables, 'NEW')} IS DISTINCT FROM was THEN
      ${descendants.join('\n      ')}
    END IF;`;
  return `
CREATE OR REPLACE FUNCTION ${captureName(table)}() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $capture$
DECLARE
  was text;
BEGIN
  IF session_user::text IN (${appliers.map(quoteLiteral).join(', ')}) THEN RETURN NULL; END IF;
  IF TG_OP = 'INSERT' THEN
    ${emit('NEW', 'NULL')}
    RETURN NULL;
  END IF;
  was := ${tenantOf(table, tables, 'OLD')};
  ${emit('OLD', 'was')}
  IF TG_OP = 'UPDATE' THEN
    IF ${keyChanged} THEN
      ${emit('NEW', 'NULL')}
    END IF;${moved}
  END IF;
  RETURN NULL;
END
$capture$`;
}

/** From a descendant up to, but not including, the table whose tenant its rows follow. */
type Chain = readonly MigratedTable[];

function descendantsOf(table: MigratedTable, tables: TablesByName): readonly Chain[] {
  const children = [...tables.values()].filter(
    (candidate) => candidate.tenant.kind === 'parent' && candidate.tenant.parent === table.name,
  );
  return children.flatMap((child) => [[child], ...descendantsOf(child, tables).map((chain) => [...chain, child])]);
}

/** A row that changes tenant takes along the rows whose tenant is found through it, though nothing touched them. */
function emitDescendants(chain: Chain): string {
  const [rows] = chain;
  if (rows === undefined) throw new RangeError('a chain of tables is never empty');
  const joins = chain
    .slice(1)
    .map(
      (table, index) =>
        `JOIN ${quoteRelation(table)} AS d${index + 1} ON ${join(chain[index], `d${index}`, `d${index + 1}`)}`,
    );
  const keys = rows.key.map((part) => `d0.${quoteIdentifier(part.name)}`).join(', ');
  return `PERFORM ${emitName(rows)}(${keys}, was) FROM ${quoteRelation(rows)} AS d0 ${joins.join(' ')} WHERE ${join(chain.at(-1), `d${chain.length - 1}`, 'NEW')};`;
}

function join(child: MigratedTable | undefined, childRow: string, parentRow: string): string {
  if (child?.tenant.kind !== 'parent') throw new RangeError('only a table with a parent has a path to it');
  return child.tenant.on
    .map((pair) => `${childRow}.${quoteIdentifier(pair.column)} = ${parentRow}.${quoteIdentifier(pair.parentColumn)}`)
    .join(' AND ');
}

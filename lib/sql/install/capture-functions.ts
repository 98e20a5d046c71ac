/**
 * Texts of the functions that capture one table (protocol §3). Every one of them reads the row by its key as it is now, and puts
 * that state in the outbox. `seq` is taken while the row lock is held, so for one row the order of seq is the order of commits.
 *
 * The row is read by one statement and written by another that reads nothing: done in one they cost a quarter more.
 */
import type { Direction } from '../../domain/direction.ts';
import { type Column, type MigratedTable, NO_TENANT } from '../../domain/table.ts';
import { cleanedCorrelation } from '../correlation.ts';
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import { rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import { baseOf, capturedJson, travelsAsText } from '../wire.ts';

/** crossfade.capture_<schema>_<relation>(): the AFTER ROW trigger. */
export function triggerFunction(
  table: MigratedTable,
  tables: TablesByName,
  direction: Direction,
  appliers: readonly string[],
): string {
  const keyChanged = table.key
    .map(({ name }) => `OLD.${quoteIdentifier(name)} IS DISTINCT FROM NEW.${quoteIdentifier(name)}`)
    .join(' OR ');
  const emit = emitRow(table, tables, direction);
  const descendants = descendantsOf(table, tables).map((chain) => emitDescendants(chain));
  const moved =
    descendants.length === 0
      ? ''
      : `
  IF TG_OP = 'UPDATE' THEN
    IF ${tenantOf(table, tables, 'NEW')} IS DISTINCT FROM was THEN
      ${descendants.join('\n      ')}
    END IF;
  END IF;`;
  return `
CREATE OR REPLACE FUNCTION ${captureName(table)}() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ${pinnedSettings(table, tables, direction)} AS $capture$
#variable_conflict use_variable
DECLARE
  was text;
  epoch_now integer;
  state json;
  tenant text;
BEGIN
  IF session_user::text IN (${appliers.map(quoteLiteral).join(', ')}) THEN RETURN NULL; END IF;
  IF TG_OP <> 'INSERT' THEN
    was := ${tenantOf(table, tables, 'OLD')};
    ${emit('OLD')}
  END IF;
  IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (${keyChanged}) THEN
    ${emit('NEW', 'NULL')}
  END IF;${moved}
  RETURN NULL;
END
$capture$`;
}

/**
 * crossfade.emit_<schema>_<relation>(key…, old_tenant): one event of one row; `D` when the row is not there. Returns its position.
 * Raises when the row is gone and nobody says whose it was: such an event could not be delivered to anybody.
 */
export function emitFunction(table: MigratedTable, tables: TablesByName, direction: Direction): string {
  const parameters = [...table.key.map((part, index) => `key_${index + 1} ${part.type}`), 'old_tenant text'].join(', ');
  const named = table.key.map(({ name }, index) => `key_${index + 1} AS ${quoteIdentifier(name)}`).join(', ');
  const [was, refusal] =
    table.tenant.kind === 'none'
      ? [`CASE WHEN state IS NULL THEN coalesce(was, ${quoteLiteral(NO_TENANT)}) ELSE was END`, '']
      : [
          'was',
          `
  IF state IS NULL AND was IS NULL THEN
    RAISE EXCEPTION 'a row of % that is gone was captured without its tenant', ${quoteLiteral(table.name)}
      USING ERRCODE = 'null_value_not_allowed', HINT = 'hand over the tenant that the row had before the statement';
  END IF;`,
        ];
  return `
CREATE OR REPLACE FUNCTION ${emitName(table)}(${parameters}) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ${pinnedSettings(table, tables, direction)} AS $capture$
#variable_conflict use_variable
DECLARE
  was text := old_tenant;
  crossfade_key record;
  epoch_now integer;
  state json;
  tenant text;
  place bigint;
BEGIN
  SELECT ${named} INTO crossfade_key;
  ${emitRow(table, tables, direction)('crossfade_key', was, 'RETURNING seq INTO place')}${refusal}
  RETURN place;
END
$capture$`;
}

/**
 * crossfade.captured_<schema>_<relation>(rows, old_tenant): what the client library calls, once a statement: one event a row of
 * the JSON list. Returns the last position, null for an empty list.
 */
export function clientFunction(table: MigratedTable): string {
  const declared = table.key.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ');
  const keys = table.key.map(({ name }) => `crossfade_key.${quoteIdentifier(name)}`);
  const key = table.key.map(({ name }) => name).join(', ');
  return `
CREATE OR REPLACE FUNCTION ${clientName(table)}(crossfade_rows json, old_tenant text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ${SEARCH_PATH} AS $capture$
#variable_conflict use_variable
DECLARE
  crossfade_key record;
  place bigint;
BEGIN
  FOR crossfade_key IN SELECT sent.* FROM json_to_recordset(crossfade_rows) AS sent(${declared}) LOOP
    IF ${keys.map((part) => `${part} IS NULL`).join(' OR ')} THEN
      RAISE EXCEPTION 'capture of % needs the whole key (%) of every row', ${quoteLiteral(table.name)}, ${quoteLiteral(key)}
        USING ERRCODE = 'null_value_not_allowed', HINT = 'hand over what RETURNING gave for the key';
    END IF;
    place := ${emitName(table)}(${keys.join(', ')}, old_tenant);
  END LOOP;
  RETURN place;
END
$capture$`;
}

/** Applications that capture by themselves still call it: without the function their writes would fail. */
export function idleClientFunction(table: MigratedTable): string {
  return `CREATE OR REPLACE FUNCTION ${clientName(table)}(crossfade_rows json, old_tenant text) RETURNS bigint LANGUAGE sql AS 'SELECT NULL::bigint'`;
}

export function captureName(table: MigratedTable): string {
  return `crossfade.${quoteIdentifier(`capture_${table.schema}_${table.relation}`)}`;
}

export function emitName(table: MigratedTable): string {
  return `crossfade.${quoteIdentifier(`emit_${table.schema}_${table.relation}`)}`;
}

export function clientName(table: MigratedTable): string {
  return `crossfade.${quoteIdentifier(`captured_${table.schema}_${table.relation}`)}`;
}

export function emitTypes(table: MigratedTable): string {
  return [...table.key.map((part) => part.type), 'text'].join(', ');
}

function sameKey(table: MigratedTable, row: string): string {
  return table.key
    .map(({ name }) => `crossfade_row.${quoteIdentifier(name)} = ${row}.${quoteIdentifier(name)}`)
    .join(' AND ');
}

/** Statements that capture the row with the key of `row`, a record variable, and the tenant that it had. */
function emitRow(
  table: MigratedTable,
  tables: TablesByName,
  direction: Direction,
): (row: string, oldTenant?: string, tail?: string) => string {
  const columns = columnsOf(table, direction);
  const ifThere = (value: string) =>
    `CASE WHEN crossfade_row.${quoteIdentifier(table.key[0]?.name ?? '')} IS NOT NULL THEN ${value} END`;
  return (row, oldTenant = 'was', tail = '') => `
    SELECT source.epoch, ${ifThere(capturedJson(columns, 'crossfade_row'))}, ${ifThere(tenantOf(table, tables, 'crossfade_row'))} INTO epoch_now, state, tenant
    FROM crossfade.source LEFT JOIN ${quoteRelation(table)} AS crossfade_row ON ${sameKey(table, row)};
    INSERT INTO crossfade.outbox (epoch, xid, idempotency_key, correlation_id, table_name, row_key, op, payload, old_tenant, new_tenant)
    VALUES (epoch_now, pg_current_xact_id(), gen_random_uuid()::text, ${cleanedCorrelation()},
            ${quoteLiteral(table.name)}, ${rowKeyOf(table, row)}, CASE WHEN state IS NULL THEN 'D' ELSE 'U' END, state, ${oldTenant}, tenant) ${tail};`;
}

const SEARCH_PATH = 'SET search_path = pg_catalog, pg_temp';
const TIME_ZONE = `SET "TimeZone" = 'UTC'`;
const FLOATS = 'SET extra_float_digits = 1';
const BYTES = `SET bytea_output = 'hex'`;
const INTERVALS = `SET "IntervalStyle" = 'postgres'`;
const EVERY_SETTING = [
  TIME_ZONE,
  FLOATS,
  BYTES,
  INTERVALS,
  `SET "DateStyle" = 'ISO, MDY'`,
  // money
  `SET lc_monetary = 'C'`,
];

/** What a type's printed form hangs on besides the value. Types that are not here and travel as JSON hang on nothing. */
const SETTINGS_OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  real: [FLOATS],
  'double precision': [FLOATS],
  bytea: [BYTES],
  interval: [INTERVALS],
  'timestamp with time zone': [TIME_ZONE],
};

/**
 * Applications' sessions may have changed how values print; what prints a row pins what matters to its types. Each setting costs
 * about 1 µs a call, so no more than that is pinned.
 */
function pinnedSettings(table: MigratedTable, tables: TablesByName, direction: Direction): string {
  const columns = columnsOf(table, direction).flatMap(({ type }) =>
    // Elements of arrays, members of composites and ranges, money: any of them.
    travelsAsText(type) && !isJson(type) ? EVERY_SETTING : (SETTINGS_OF_TYPE[baseOf(type)] ?? []),
  );
  const tenants = [table, ...ancestorsOf(table, tables)].flatMap((each) =>
    columnsOf(each, direction).flatMap(({ name, type }) =>
      each.tenant.kind === 'column' && each.tenant.column === name && !PLAIN_TENANT.test(type) ? EVERY_SETTING : [],
    ),
  );
  // row_security: a policy must raise an error instead of making a row look deleted. enable_seqscan: a plan made while the table
  // was small would scan it when it has grown, for as long as nobody analyses it.
  return [SEARCH_PATH, 'SET row_security = off', 'SET enable_seqscan = off', ...new Set([...columns, ...tenants])].join(
    ' ',
  );
}

/** A tenant is cast to text, which makes a date hang on DateStyle; these hang on nothing. */
const PLAIN_TENANT = /^(smallint|integer|bigint|numeric|boolean|text|character|name|uuid)/;

/** json and jsonb travel as text, and print the same under every setting. */
function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}

function columnsOf(table: MigratedTable, direction: Direction): readonly Column[] {
  return direction === 'forward' ? table.legacyColumns : table.targetColumns;
}

function ancestorsOf(table: MigratedTable, tables: TablesByName): readonly MigratedTable[] {
  const parent = table.tenant.kind === 'parent' ? tables.get(table.tenant.parent) : undefined;
  return parent === undefined ? [] : [parent, ...ancestorsOf(parent, tables)];
}

/** From a descendant up to, but not including, the table whose tenant its rows follow. */
type Chain = readonly MigratedTable[];

export function descendantsOf(table: MigratedTable, tables: TablesByName): readonly Chain[] {
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

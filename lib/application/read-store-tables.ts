/** The plan's tables as one store's catalogue has them, in full: what baseline compares and what the last audit looks at. */
import type { StoreName } from '../domain/direction.ts';
import type { ColumnFill, StoreTable } from '../domain/store-table.ts';
import type { MigratedTable } from '../domain/table.ts';
import type { Databases } from '../ports/sql.ts';
import { type ColumnDetailRow, columnDetails } from '../sql/catalogue/column-details.ts';
import { type ColumnTypeRow, columnTypes } from '../sql/catalogue/column-types.ts';
import { type ConstraintRow, constraints } from '../sql/catalogue/constraints.ts';
import { type IndexRow, indexes } from '../sql/catalogue/indexes.ts';
import { type TableFactRow, tableFacts } from '../sql/catalogue/table-facts.ts';
import { type TableTriggerRow, tableTriggers } from '../sql/catalogue/table-triggers.ts';

export async function readStoreTables(
  databases: Databases,
  store: StoreName,
  tables: readonly MigratedTable[],
): Promise<ReadonlyMap<string, StoreTable>> {
  const session = databases.open(store, 'compare');
  const relations = tables.map(({ schema, relation }) => [schema, relation] as const);
  const columnRows = byTable(await session.query<ColumnDetailRow>(columnDetails(relations)));
  const indexRows = byTable(await session.query<IndexRow>(indexes(relations)));
  const constraintRows = byTable(await session.query<ConstraintRow>(constraints(relations)));
  const triggerRows = byTable(await session.query<TableTriggerRow>(tableTriggers(relations)));
  const factRows = byTable(await session.query<TableFactRow>(tableFacts(relations)));
  const types = await session.query<ColumnTypeRow>(columnTypes(relations));
  return new Map(
    tables.map((table) => {
      const address = `${table.schema}.${table.relation}`;
      const columns = (columnRows.get(address) ?? []).map(toColumn);
      const rules = constraintRows.get(address) ?? [];
      const [fact] = factRows.get(address) ?? [];
      return [
        table.name,
        {
          name: table.name,
          columns,
          indexes: (indexRows.get(address) ?? []).filter(({ name }) => !name.startsWith('crossfade_')).map(toIndex),
          links: rules.filter(({ kind }) => kind === 'f').map(toLink),
          checks: rules.filter(({ kind }) => kind !== 'f').map((rule) => ({ ...rule, columns: toList(rule.columns) })),
          types: types
            .filter(({ type }) => columns.some((column) => column.type === type || column.type.startsWith(`${type}[`)))
            .map(({ type, kind, members }) => ({ type, kind, members: toList(members) })),
          triggers: (triggerRows.get(address) ?? []).map((row) => ({ ...row, beforeRow: row.before_row })),
          rowSecurity: JSON.stringify([
            fact?.row_security ?? false,
            fact?.forced_security ?? false,
            fact?.policies ?? '[]',
          ]),
          seesAll: fact?.sees_all ?? true,
          partitionKey: fact?.partition_key ?? null,
          unlogged: fact?.unlogged ?? false,
          estimatedRows: Number(fact?.estimated_rows ?? -1),
          bytes: Number(fact?.bytes ?? 0),
        },
      ];
    }),
  );
}

function byTable<Row extends { readonly schema: string; readonly relation: string }>(rows: readonly Row[]) {
  return Map.groupBy(rows, (row) => `${row.schema}.${row.relation}`);
}

function toColumn(row: ColumnDetailRow): StoreTable['columns'][number] {
  return { ...row, notNull: row.not_null, fill: fillOf(row) };
}

function fillOf({ generated, identity, expression }: ColumnDetailRow): ColumnFill {
  if (generated) return 'generated';
  if (identity !== '') return identity === 'a' ? 'identity-always' : 'identity';
  if (expression === null) return 'none';
  return expression.startsWith('nextval(') ? 'sequence' : 'default';
}

function toIndex(row: IndexRow): StoreTable['indexes'][number] {
  return {
    ...row,
    parts: toList(row.parts),
    columns: toList(row.columns),
    nullsEqual: row.nulls_equal,
    bytes: Number(row.size),
  };
}

function toLink(row: ConstraintRow): StoreTable['links'][number] {
  return { ...row, parent: row.parent ?? '', columns: toList(row.columns), parentColumns: toList(row.parent_columns) };
}

/** A JSON list of text, as the catalogue queries print it. */
function toList(json: string | null): readonly string[] {
  return JSON.parse(json ?? '[]') as string[];
}

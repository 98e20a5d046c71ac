/** What differing rows hold, read at this moment because an operator asked for it: handed to the terminal, never logged or stored. */
import { STORES, type StoreName } from '../../domain/direction.ts';
import { type ValuesRow, valuesByKey } from '../../sql/compare/values-by-key.ts';
import { type Migration, tableNamed } from '../migration.ts';

export interface ShownRow {
  readonly table: string;
  readonly rowKey: string;
  /** Null where the store has no such row; a value that is null is NULL. */
  readonly columns: readonly {
    readonly column: string;
    readonly legacy: string | null;
    readonly target: string | null;
  }[];
  /** Stores that have the row. */
  readonly isIn: readonly StoreName[];
  /** Columns beyond those shown. */
  readonly moreColumns: number;
}

export interface ShownValues {
  readonly rows: readonly ShownRow[];
  /** Rows beyond those shown. */
  readonly more: number;
}

export interface WantedRow {
  readonly table: string;
  readonly rowKey: string;
  /** Empty: all columns that are compared. */
  readonly columns: readonly string[];
}

const MAX_ROWS = 50;
const MAX_COLUMNS = 20;
/** Of one value; one more is read, to tell that it was cut. At most 50 x 20 x 2 x 200 characters in all. */
const MAX_CHARACTERS = 200;

export async function showValues(migration: Migration, wanted: readonly WantedRow[]): Promise<ShownValues> {
  const rows: ShownRow[] = [];
  for (const row of wanted.slice(0, MAX_ROWS)) rows.push(await showRow(migration, row));
  return { rows, more: Math.max(0, wanted.length - MAX_ROWS) };
}

async function showRow(migration: Migration, { table: name, rowKey, columns }: WantedRow): Promise<ShownRow> {
  const table = tableNamed(migration, name);
  const all = columns.length > 0 ? columns : table.forward.map(({ column }) => column);
  const shown = all.slice(0, MAX_COLUMNS);
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) => {
      const session = migration.deps.databases.open(store, 'compare');
      const statement = valuesByKey(table, store, rowKey, shown, MAX_CHARACTERS + 1);
      const [row] = await session.query<ValuesRow>(statement);
      // The statement builds the list itself.
      return row === undefined ? undefined : (JSON.parse(row.row_values) as readonly (string | null)[]);
    }),
  );
  return {
    table: name,
    rowKey,
    columns: shown.map((column, index) => ({
      column,
      legacy: cut(legacy?.[index]),
      target: cut(target?.[index]),
    })),
    isIn: [
      ...(legacy === undefined ? [] : (['legacy'] as const)),
      ...(target === undefined ? [] : (['target'] as const)),
    ],
    moreColumns: all.length - shown.length,
  };
}

function cut(value: string | null | undefined): string | null {
  if (value == null) return null;
  return value.length > MAX_CHARACTERS ? `${value.slice(0, MAX_CHARACTERS)}…` : value;
}

/** The whole story of a write (design §3.3: every target row can be traced): its events, what became of them, and how the rows stand now. */
import { createHash } from 'node:crypto';
import type { TraceAnswer, TracedRowState, TraceQuery } from '../../contracts/trace.ts';
import { STORES, type StoreName } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import { fingerprintKeys, type KeyedRow } from '../../sql/compare/rows-by-key.ts';
import type { RowState } from '../../sql/trace/find-applied.ts';
import type { Migration } from '../migration.ts';
import { nameColumns } from '../reconcile/name-columns.ts';
import { type DirectionFacts, readTraceFacts } from './read-facts.ts';
import { tellStory } from './tell-story.ts';

const EXACT = { form: 'exact', columns: 'all' } as const;
/** Hexadecimal digits of a masked digest. */
const SHOWN = 12;

/** @param salt of this answer: a digest of a small row could be guessed back to its values if it were the same everywhere. */
export async function traceWrite(migration: Migration, query: TraceQuery, salt: string): Promise<TraceAnswer> {
  const { deps } = migration;
  const { directions, truncated, gaps } = await readTraceFacts(deps, query);
  const digestGaps: string[] = [];
  const digests = new Map<string, string>();
  for (const store of STORES) {
    for (const [key, digest] of await readDigests(migration, store, directions, salt, digestGaps))
      digests.set(key, digest);
  }
  const rows = directions.flatMap(({ direction, states }) =>
    states.map((state): TracedRowState => {
      const legacy = digests.get(`legacy ${nameOf(state)}`) ?? null;
      const target = digests.get(`target ${nameOf(state)}`) ?? null;
      return {
        direction,
        table: state.table_name,
        rowKey: state.row_key,
        version: describeVersion(state),
        deleted: state.deleted === true,
        repair: state.queued_at === null ? null : `queued ${state.queued_at}: ${state.queue_reason ?? ''}`,
        digests: { legacy, target },
        same: legacy === null || target === null ? null : legacy === target,
      };
    }),
  );
  const columns = await readColumns(migration, rows, digestGaps);
  return {
    at: deps.clock.now().toISOString(),
    steps: tellStory(directions),
    // The other direction knows nothing of most rows.
    rows: rows
      .map(withColumns(columns))
      .filter(
        (row) =>
          row.version !== null ||
          !rows.some(
            (other) =>
              !(other.direction === row.direction && isSameRow(row, other)) &&
              isSameRow(row, other) &&
              (other.version !== null || other.direction === 'forward'),
          ),
      ),
    truncated,
    gaps: [...new Set([...gaps, ...digestGaps])],
  };
}

async function readDigests(
  migration: Migration,
  store: StoreName,
  directions: readonly DirectionFacts[],
  salt: string,
  gaps: string[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const states = directions.flatMap((facts) => facts.states);
  for (const [name, ofTable] of Map.groupBy(states, (state) => state.table_name)) {
    const table = migration.byName.get(name);
    if (table === undefined) continue;
    const keys = [...new Set(ofTable.map((state) => state.row_key))];
    try {
      const rows = await migration.deps.databases
        .open(store, 'compare')
        .query<KeyedRow>(fingerprintKeys(table, migration.byName, store, keys, EXACT));
      for (const { row_key, digest } of rows) found.set(`${store} ${name} ${row_key}`, mask(digest, salt));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      gaps.push(`rows of ${name} could not be read in ${store}: ${error.message}`);
    }
  }
  return found;
}

/** Which columns differ, of rows that both stores have. */
async function readColumns(
  migration: Migration,
  rows: readonly TracedRowState[],
  gaps: string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  const differing = rows.filter(
    ({ same, digests }) => same === false && digests.legacy !== 'absent' && digests.target !== 'absent',
  );
  for (const [table, ofTable] of Map.groupBy(differing, (row) => row.table)) {
    try {
      const named = await nameColumns(migration, table, [...new Set(ofTable.map(({ rowKey }) => rowKey))]);
      for (const [rowKey, columns] of named) found.set(`${table} ${rowKey}`, columns);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      gaps.push(`columns of ${table} could not be compared: ${error.message}`);
    }
  }
  return found;
}

function withColumns(columns: ReadonlyMap<string, readonly string[]>) {
  return (row: TracedRowState): TracedRowState => {
    const named = columns.get(`${row.table} ${row.rowKey}`);
    return named === undefined ? row : { ...row, columns: named };
  };
}

function mask(digest: string | null, salt: string): string {
  if (digest === null) return 'absent';
  return createHash('sha256').update(`${salt} ${digest}`).digest('hex').slice(0, SHOWN);
}

function describeVersion({ kind, epoch, seq, snapshot }: RowState): string | null {
  if (kind === null) return null;
  return kind === 'E' ? `event ${epoch}/${seq}` : `read ${epoch}/${snapshot}`;
}

function nameOf({ table_name, row_key }: RowState): string {
  return `${table_name} ${row_key}`;
}

function isSameRow(one: TracedRowState, other: TracedRowState): boolean {
  return one.table === other.table && one.rowKey === other.rowKey;
}

/**
 * What capture adds to a write of the application (design §7, guide: latency budget of the environment). The server times its
 * triggers itself, in writes of sampled rows that change nothing and are rolled back; rows that an application holds are skipped,
 * so nobody waits. The client library's function is timed alone. Not in it: the round trips of the library, and the longer WAL of a commit.
 */
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import { type ExplainRow, explainCapture, searchSchemas } from '../../sql/capture/explain-capture.ts';
import { CAPTURE_TRIGGER } from '../../sql/install/capture.ts';
import { type SampleRow, sampleRows } from '../../sql/source/sample-rows.ts';
import { rolledBack } from '../machines/baseline/rolled-back.ts';
import type { Migration } from '../migration.ts';

/** Writes over all tables; the 99th percentile of so many is the second slowest. */
const SAMPLES = 200;
const ROUNDS_OF_A_ROW = 4;

export interface CaptureOverhead {
  /** Milliseconds; null: no table has a row that could be written. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly samples: number;
  /** Median of each table that has rows. */
  readonly tables: Readonly<Record<string, number>>;
}

export async function measureCaptureOverhead({ deps, tables }: Migration): Promise<CaptureOverhead> {
  // The appliers' own writes are not captured; install is a member of the owners, so it may write as they do.
  const store = deps.databases.open('legacy', 'install');
  const reader = deps.databases.open('legacy', 'compare');
  const rowsOfEnd = Math.max(1, Math.ceil(SAMPLES / tables.length / ROUNDS_OF_A_ROW / 2));
  const times = new Map<string, readonly number[]>();
  for (const table of tables) {
    const keys = (await reader.query<SampleRow>(sampleRows(table, rowsOfEnd))).map(({ row_key }) => row_key);
    const taken: number[] = [];
    for (const key of keys) taken.push(...(await timeRow(store, tables, table, key)));
    if (taken.length > 0) times.set(table.name, sorted(taken));
  }
  const all = sorted([...times.values()].flat());
  return {
    p50: percentile(all, 50),
    p99: percentile(all, 99),
    samples: all.length,
    tables: Object.fromEntries([...times].map(([name, taken]) => [name, percentile(taken, 50) ?? 0])),
  };
}

/** Without a budget (dev) it is reported and judged by nothing. */
export function judgeCaptureOverhead({ deps }: Migration, overhead: CaptureOverhead): readonly GateDecision[] {
  const { latencyBudget } = deps.plan;
  if (latencyBudget === null) return [];
  const now = deps.clock.now();
  const gate = judgeGate(
    {
      gate: 'capture-overhead',
      value: overhead.p99,
      threshold: latencyBudget,
      comparison: 'below',
      unit: 'ms',
      source: `p99 of capture in ${overhead.samples} writes of legacy rows, rolled back`,
      measuredAt: now,
      details:
        overhead.p99 === null
          ? ['no table of the plan has a row that could be written']
          : Object.entries(overhead.tables).map(([table, median]) => `${table}: median ${median} ms`),
    },
    now,
  );
  return [gate];
}

/** Milliseconds of each round but the first, in which the session prepares the function: applications' sessions have long done so. */
async function timeRow(
  store: SqlStore,
  tables: readonly MigratedTable[],
  table: MigratedTable,
  key: string,
): Promise<readonly number[]> {
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  try {
    return await rolledBack(store, async (session) => {
      const taken: number[] = [];
      await session.query(searchSchemas(schemas));
      for (let round = 0; round <= ROUNDS_OF_A_ROW; round++) {
        const [row] = await session.query<ExplainRow>(explainCapture(table, key));
        const time = row === undefined ? null : timeIn(row['QUERY PLAN'], table.capture);
        if (round > 0 && time !== null) taken.push(time);
      }
      return taken;
    });
  } catch (error) {
    // A trigger of the application may refuse Crossfade's role; the row is one that could not be written.
    if (!(error instanceof SqlError) || error.kind === 'configuration') throw error;
    return [];
  }
}

interface Explained {
  readonly 'Execution Time': number;
  readonly Triggers?: readonly { readonly 'Trigger Name': string; readonly Time: number }[];
}

/** Null: the row was held or is gone. On a partition the trigger has its parent's name. */
function timeIn(plan: string, capture: MigratedTable['capture']): number | null {
  // The form of EXPLAIN (FORMAT JSON) is PostgreSQL's.
  const [explained] = JSON.parse(plan) as readonly Explained[];
  if (explained === undefined) return null;
  if (capture === 'client') return explained['Execution Time'];
  return explained.Triggers?.find((trigger) => trigger['Trigger Name'] === CAPTURE_TRIGGER)?.Time ?? null;
}

function sorted(times: readonly number[]): readonly number[] {
  return times.toSorted((one, other) => one - other);
}

function percentile(times: readonly number[], percent: number): number | null {
  return times[Math.max(0, Math.ceil((times.length * percent) / 100) - 1)] ?? null;
}

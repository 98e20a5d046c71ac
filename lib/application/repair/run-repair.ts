/**
 * Carries out a repair's plan, page by page, through the same guarded apply as everything else. Right before it is written each row
 * is read again: what is in flight is left alone, what is equal is done, and what is not as it was reviewed waits for the next plan.
 * A run that died is started again from the beginning: what is equal costs a look, and nothing is written twice.
 */
import {
  type OutcomeCounts,
  type PlannedRow,
  REPAIR_OUTCOMES,
  type RepairArtefact,
  type RepairOutcome,
  repairBatch,
} from '../../contracts/repair.ts';
import { receiverOf } from '../../domain/direction.ts';
import type { RowSight } from '../../domain/drift.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { forgetOldRepairImages, keepRepairImages, writtenUnder } from '../../sql/repair/repair-image.ts';
import { type Migration, tableNamed } from '../migration.ts';
import type { ComparedTable, Comparison } from '../reconcile/comparison.ts';
import { endDrift } from '../reconcile/record-cycle.ts';
import { sightRows } from '../reconcile/sight-rows.ts';
import { repairKeys } from '../rows/apply-reads.ts';
import { inRepairOrder } from './in-order.ts';

export interface RepairProgress {
  /** Pages that are done. */
  readonly pages: number;
  readonly outcomes: OutcomeCounts;
  /** Rows repaired and seen to be equal, by table: what the cycle's record says. */
  readonly repaired: Readonly<Record<string, number>>;
  /** Of rows that were left, the first 20. */
  readonly reasons: readonly string[];
}

export const REPAIR_START: RepairProgress = {
  pages: 0,
  outcomes: { repaired: 0, converged: 0, 'in-flight': 0, changed: 0, failed: 0 },
  repaired: {},
  reasons: [],
};

const ROWS_AT_ONCE = 200;
const MAX_REASONS = 20;
/** An undo later than this finds no images any more; they hold row contents. */
const KEEP_IMAGES_DAYS = 30;

const LEFT: Readonly<Record<'in-flight' | 'changed' | 'failed', string>> = {
  'in-flight': 'an event of it has not been delivered; it is left to the relay',
  changed: 'changed since it was reviewed; it comes into the next plan',
  failed: 'cannot be repaired',
};

export interface RepairLimits {
  readonly until: Date;
  /** Judges every row and writes nothing. */
  readonly dryRun: boolean;
  /** Asked between two pages: a person's stop. Whoever called says so and waits. */
  readonly isStopped: () => Promise<boolean>;
}

/** @param comparison that of the plan, of the tenants that may be written now. @returns `done` when no page is left. */
export async function runRepair(
  migration: Migration,
  artefact: RepairArtefact,
  comparison: Comparison,
  from: RepairProgress,
  { until, dryRun, isStopped }: RepairLimits,
): Promise<{ readonly done: boolean; readonly progress: RepairProgress }> {
  const { deps } = migration;
  const pages = inRepairOrder(migration, artefact.planned, ROWS_AT_ONCE);
  if (from.pages === 0 && !dryRun)
    await deps.databases
      .open(receiverOf(comparison.direction), 'backfill')
      .query(forgetOldRepairImages(KEEP_IMAGES_DAYS));
  let progress = from;
  while (progress.pages < pages.length && deps.clock.now() < until) {
    if (!dryRun && (await isStopped())) break;
    const page = pages[progress.pages] ?? [];
    const results = await repairPage(migration, comparison, artefact.id, page, dryRun);
    progress = addResults(progress, results);
  }
  return { done: progress.pages >= pages.length, progress };
}

interface RowResult {
  readonly table: string;
  readonly rowKey: string;
  readonly outcome: RepairOutcome;
  readonly detail: string;
}

async function repairPage(
  migration: Migration,
  comparison: Comparison,
  id: string,
  page: readonly PlannedRow[],
  dryRun: boolean,
): Promise<readonly RowResult[]> {
  const { deps, byName } = migration;
  const name = page[0]?.table ?? '';
  const compared = comparison.tables.find(({ table }) => table === name);
  const resultOf = ({ table, rowKey }: PlannedRow, outcome: RepairOutcome, detail = ''): RowResult => ({
    table,
    rowKey,
    outcome,
    detail,
  });
  if (compared === undefined) return page.map((row) => resultOf(row, 'changed', LEFT.changed));
  const table = tableNamed(migration, name);
  const store = receiverOf(comparison.direction);
  const batch = repairBatch(id);
  const before = await sight(migration, comparison, compared, page);
  const results: RowResult[] = [];
  const wanted: PlannedRow[] = [];
  const equal: PlannedRow[] = [];
  for (const row of page) {
    const now = before.get(row.rowKey);
    // Of a tenant that is not compared any more neither store shows a row.
    if (!comparison.tenants.includes(row.tenant ?? NO_TENANT)) results.push(resultOf(row, 'changed', LEFT.changed));
    else if (now === undefined || now.legacy === now.target) equal.push(row);
    else if (now.inFlight) results.push(resultOf(row, 'in-flight', LEFT['in-flight']));
    else if (!isAsReviewed(row, now, comparison)) results.push(resultOf(row, 'changed', LEFT.changed));
    else wanted.push(row);
  }
  if (dryRun)
    return [
      ...results,
      ...equal.map((row) => resultOf(row, 'converged')),
      ...wanted.map((row) => resultOf(row, 'repaired')),
    ];
  const keys = wanted.map(({ rowKey }) => rowKey);
  const failures = new Map<string, string>();
  let after: ReadonlyMap<string, RowSight> = new Map();
  if (keys.length > 0) {
    await deps.databases.open(store, 'backfill').query(keepRepairImages(table, byName, store, id, keys));
    // Other pages are written in their turn, with images of their own: a value that two of them exchange is left, and named.
    const among = new Set(keys);
    const applied = await repairKeys(migration, table, comparison.direction, keys, batch, { among });
    for (const { rowKey, reason } of applied.failed) failures.set(rowKey, reason);
    after = await sight(migration, comparison, compared, wanted);
  }
  for (const row of wanted) {
    const now = after.get(row.rowKey);
    if (now === undefined || now.legacy === now.target) equal.push(row);
    else if (now.inFlight) results.push(resultOf(row, 'in-flight', LEFT['in-flight']));
    else results.push(resultOf(row, 'failed', `${LEFT.failed}: ${failures.get(row.rowKey) ?? 'it still differs'}`));
  }
  const own = await ownWrites(migration, comparison, table.name, batch, equal);
  results.push(...equal.map((row) => resultOf(row, own.has(row.rowKey) ? 'repaired' : 'converged')));
  await endDrift(
    deps,
    equal.map(({ rowKey }) => ({ table: name, rowKey })),
  );
  return results;
}

/** Which rows this repair wrote, in this run or in one that died. */
async function ownWrites(
  migration: Migration,
  { direction }: Comparison,
  tableName: string,
  batch: string,
  rows: readonly PlannedRow[],
): Promise<ReadonlySet<string>> {
  if (rows.length === 0) return new Set();
  const statement = writtenUnder(
    tableNamed(migration, tableName),
    batch,
    rows.map(({ rowKey }) => rowKey),
  );
  const written = await migration.deps.databases
    .open(receiverOf(direction), 'compare')
    .query<{ row_key: string }>(statement);
  return new Set(written.map(({ row_key }) => row_key));
}

/** The very rows that a person looked at: what is in the store that is written, and what is to come. */
function isAsReviewed(row: PlannedRow, now: RowSight, { direction }: Comparison): boolean {
  const [source, receiver] = direction === 'forward' ? [now.legacy, now.target] : [now.target, now.legacy];
  return receiver === row.before && source === row.after;
}

async function sight(
  migration: Migration,
  comparison: Comparison,
  compared: ComparedTable,
  rows: readonly PlannedRow[],
): Promise<ReadonlyMap<string, RowSight>> {
  const sights = await sightRows(
    migration,
    comparison,
    compared,
    rows.map(({ rowKey }) => rowKey),
  );
  return new Map(sights.map((seen) => [seen.rowKey, seen]));
}

function addResults(progress: RepairProgress, results: readonly RowResult[]): RepairProgress {
  const count = (outcome: RepairOutcome) => results.filter((result) => result.outcome === outcome).length;
  const outcomes = Object.fromEntries(
    REPAIR_OUTCOMES.map((outcome) => [outcome, progress.outcomes[outcome] + count(outcome)]),
    // REPAIR_OUTCOMES names every outcome.
  ) as Record<RepairOutcome, number>;
  const repaired = { ...progress.repaired };
  for (const { table, outcome } of results) if (outcome === 'repaired') repaired[table] = (repaired[table] ?? 0) + 1;
  const reasons = results.flatMap(({ table, rowKey, detail }) =>
    detail === '' ? [] : [`${table} ${rowKey}: ${detail}`],
  );
  return {
    pages: progress.pages + 1,
    outcomes,
    repaired,
    reasons: [...progress.reasons, ...reasons].slice(0, MAX_REASONS),
  };
}

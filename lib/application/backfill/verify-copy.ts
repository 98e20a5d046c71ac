/** Step `verify-copy`: exact digests of what was copied, in both stores; rows in flight are read again. Only then do the tenants count as copied. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { inPages } from '../../domain/chunk.ts';
import { counted } from '../../domain/counted.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import type { Deps } from '../deps.ts';
import { again, judged, proceed } from '../machines/step.ts';
import { loadMigration, type Migration, tableNamed } from '../migration.ts';
import { comparePass, type PassResult } from '../reconcile/compare-pass.ts';
import { type Comparison, planComparison } from '../reconcile/comparison.ts';
import type { DriftRow } from '../reconcile/settle-round.ts';
import { sightRows } from '../reconcile/sight-rows.ts';
import { repairKeys } from '../rows/apply-reads.ts';
import { markCopied } from '../tenants/exposure.ts';
import type { BackfillControl, Stop } from './control.ts';
import { waitOf } from './copy.ts';
import { createGovernor } from './governor.ts';
import { copyData } from './plan-copy.ts';
import { type CopiedTenant, readProgress, saveProgress } from './progress.ts';

const CALL_MS = 40_000;
const MAX_DETAILS = 20;
const ROWS_AT_ONCE = 200;
const MOST_REMAINING = 1_000;

export async function verifyCopy(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { tenants, later = [] } = copyData(data);
  if (run.dryRun) return proceed({ notes: ['dry run: nothing was copied, so nothing is compared'] });
  if (tenants.length === 0) return proceed({ notes: ['every tenant of the scope is copied already'] });
  const migration = await loadMigration(deps);
  const names = tenants.map(({ tenant }) => tenant);
  const comparison = await planComparison(migration, 'forward', {
    mode: 'checksum',
    form: 'exact',
    tenants: names,
    tables: [],
  });
  const id = `backfill-${fingerprint({ execution: run.execution, tenants }).slice(0, 16)}`;
  const until = new Date(deps.clock.now().getTime() + CALL_MS);
  const result = await comparePass(migration, comparison, { id, until });
  if (result === undefined) return again(0, { data, notes: ['compares what was copied'] });

  const mended = await mend(migration, comparison, result.drift);
  if ('stop' in mended) {
    const { seconds, why } = await waitOf(deps, mended, mended.stop);
    return again(seconds, { data, notes: [describePass(result), ...why] });
  }
  const { remaining } = mended;
  const failed = await failuresOf(migration, comparison, tenants);
  // A row that could not be written refuses also while an event of it is open: that event meets the same obstacle.
  const keys = new Set([...remaining, ...failed].map(({ table, rowKey }) => `${table} ${rowKey}`));
  const unequal = keys.size + result.unsettled;
  const reported = failed.map(({ table, rowKey, reason }) => `${table} ${rowKey} could not be written: ${reason}`);
  const gate = judgeGate(
    {
      gate: 'backfill-digest-equal',
      value: unequal,
      threshold: 0,
      comparison: 'equals',
      unit: 'rows',
      source: `exact digests of ${counted(result.rows, 'row')} in ${counted(result.tables.length, 'table')} of both stores`,
      measuredAt: deps.clock.now(),
      details: [
        ...remaining
          .slice(0, MAX_DETAILS)
          .map(({ table, rowKey, kind, columns }) => describe(table, rowKey, kind, columns)),
        ...reported.slice(0, MAX_DETAILS),
        ...(result.unsettled === 0 ? [] : [`${result.unsettled} rows would not stand still; run it again`]),
      ],
    },
    deps.clock.now(),
  );
  if (gate.pass) await markCopied(deps, 'forward', tenants);
  return judged([gate, ...(later.length === 0 ? [] : [laterGate(deps, later)])], { notes: [describePass(result)] });
}

/** The copy of the others counts; this run has not done what it was asked for. */
function laterGate(deps: Deps, later: readonly string[]): GateDecision {
  return judgeGate(
    {
      gate: 'tenants-left',
      value: later.length,
      threshold: 0,
      comparison: 'equals',
      unit: 'tenants',
      source: 'tenants that came on after an earlier run began its copy, which this run finished',
      measuredAt: deps.clock.now(),
      details: [`${later.slice(0, MAX_DETAILS).join(', ')} are not copied yet; run: npx crossfade start backfill`],
    },
    deps.clock.now(),
  );
}

/**
 * A row that drifted while it was copied is read afresh, by key, and compared again: in batches of the copy, within its rate,
 * window and pause. What was mended differs no more when the pass is looked at again.
 */
async function mend(
  migration: Migration,
  comparison: Comparison,
  drift: readonly DriftRow[],
): Promise<{ readonly remaining: readonly DriftRow[] } | { readonly stop: Stop; readonly control: BackfillControl }> {
  const remaining: DriftRow[] = [];
  if (drift.length === 0) return { remaining };
  const { clock } = migration.deps;
  const governor = await createGovernor(migration.deps, migration.tables, clock.now().getTime() + CALL_MS);
  for (const [name, rows] of Map.groupBy(drift, (row) => row.table)) {
    const compared = comparison.tables.find((candidate) => candidate.table === name);
    if (compared === undefined) continue;
    for (const page of inPages(rows, ROWS_AT_ONCE)) {
      // So many refuse anyway, and would be tried again in every call.
      if (remaining.length >= MOST_REMAINING) {
        remaining.push(...page);
        continue;
      }
      const stop = await governor.permit();
      if (stop !== null) return { stop, control: governor.control };
      const began = clock.now().getTime();
      const keys = page.map((row) => row.rowKey);
      await repairKeys(migration, tableNamed(migration, name), 'forward', keys, `backfill-${name}-verify`);
      const sights = await sightRows(migration, comparison, compared, keys);
      const isUnequal = new Map(
        sights.map((sight) => [sight.rowKey, !sight.inFlight && sight.legacy !== sight.target]),
      );
      remaining.push(...page.filter((row) => isUnequal.get(row.rowKey) === true));
      await governor.finished({ rows: page.length, ms: clock.now().getTime() - began });
    }
  }
  return { remaining };
}

interface FailedRow {
  readonly table: string;
  readonly rowKey: string;
  readonly reason: string;
}

/** Rows that could not be written and still differ; those that are equal by now are forgotten. */
async function failuresOf(
  migration: Migration,
  comparison: Comparison,
  tenants: readonly CopiedTenant[],
): Promise<readonly FailedRow[]> {
  const { deps } = migration;
  const still: FailedRow[] = [];
  for (const compared of comparison.tables) {
    const progress = await readProgress(deps, compared.table, tenants);
    if (progress.failures === 0) continue;
    const keys = progress.failed.map((row) => row.rowKey);
    const sights = await sightRows(migration, comparison, compared, keys);
    const unequal = new Set(sights.filter((sight) => sight.legacy !== sight.target).map((sight) => sight.rowKey));
    const failed = progress.failed.filter((row) => unequal.has(row.rowKey));
    await saveProgress(deps, { ...progress, failed, failures: failed.length });
    still.push(...failed.map((row) => ({ table: compared.table, ...row })));
  }
  return still;
}

function describe(table: string, rowKey: string, kind: string, columns: readonly string[]): string {
  return `${table} ${rowKey} is ${kind}${columns.length === 0 ? '' : ` in ${columns.join(', ')}`}`;
}

function describePass({ rows, tables, drift, inFlight }: PassResult): string {
  return `${counted(rows, 'row')} of ${counted(tables.length, 'table')} compared exactly: ${drift.length} differed and were read afresh, ${inFlight} in flight`;
}

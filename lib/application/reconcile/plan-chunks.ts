/** Step `plan-chunks`: decides what the cycle compares and writes the list of its chunks to the bucket for the Distributed Map. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { proceed, refuse } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { tenantStates } from '../tenants/exposure.ts';
import { chunkTable } from './chunk-table.ts';
import { type Comparison, chooseMode, currentDirection, planComparison } from './comparison.ts';
import { type ChunkItem, type Cycle, chunksKey, saveCycle } from './cycle-store.ts';
import { adoptCycle, openCycle } from './open-cycle.ts';
import { copiedTenants } from './settle-round.ts';

export async function planChunks(deps: Deps, run: Run): Promise<StepResult> {
  const migration = await loadMigration(deps);
  const direction = await currentDirection(deps);
  let chosen: ReturnType<typeof chooseMode>;
  try {
    chosen = chooseMode(deps, run.mode);
  } catch (error) {
    if (error instanceof RangeError) return refuse([error.message]);
    throw error;
  }
  const states = await tenantStates(deps, direction);
  const wanted = new Set([...run.scope, NO_TENANT]);
  const copied = copiedTenants(states).filter((tenant) => wanted.has(tenant));
  if (copied.length === 0) return refuse(['no tenant of the scope is copied yet; run: npx crossfade start backfill']);

  const comparison = await planComparison(migration, direction, { ...chosen, tenants: copied, tables: run.tables });
  const uncopied = states.filter((state) => state.is_on && !state.copied).map((state) => state.tenant);
  const generations = states.filter(({ tenant }) => copied.includes(tenant)).map((row) => [row.tenant, row.generation]);
  const subject = fingerprint({ comparison, generations, plan: deps.planHash });
  const left = run.dryRun ? undefined : await adoptCycle(deps, run, subject);
  const cycle = left ?? (await startCycle(migration, run, comparison, subject));
  if (!run.dryRun) await openCycle(deps, run, cycle);
  return proceed({
    data: { cycle: cycle.id, chunks: { Bucket: deps.objects.bucket, Key: chunksKey(cycle.id) } },
    notes: [
      `${cycle.chunks} chunks of ${comparison.tables.length} tables, ${copied.length} tenants, mode ${comparison.mode}`,
      ...comparison.tables.map(
        ({ table, fingerprint: { form, columns } }) => `${table}: ${form} over ${columns} columns`,
      ),
      ...(uncopied.length === 0 ? [] : [`left out, not copied yet: ${uncopied.join(', ')}`]),
      ...(left === undefined ? [] : [`goes on with the cycle of ${left.startedAt}`]),
    ],
  });
}

async function startCycle(migration: Migration, run: Run, comparison: Comparison, subject: string): Promise<Cycle> {
  const { plan, objects } = migration.deps;
  const id = run.dryRun ? `dry-${run.startedAt}` : run.startedAt;
  const items: ChunkItem[] = [];
  let budget = run.dryRun ? plan.reconcile.dryRunLimit : Number.POSITIVE_INFINITY;
  for (const { table } of comparison.tables) {
    if (budget <= 0) break;
    const ranges = await chunkTable(migration, table, budget);
    for (const range of ranges) items.push({ ...range, table, n: items.length, cycle: id });
    budget -= ranges.length * plan.reconcile.chunkRows;
  }
  const cycle: Cycle = {
    id,
    startedAt: run.startedAt,
    dryRun: run.dryRun,
    scopeKind: run.tables.length === 0 && !run.dryRun ? 'full' : 'sample',
    comparison,
    chunks: items.length,
    subject,
  };
  await saveCycle(objects, cycle, items);
  return cycle;
}

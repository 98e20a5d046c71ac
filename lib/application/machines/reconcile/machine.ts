/** One cycle of comparison: plan chunks, compare, settle, repair if allowed, record (design §4, §5). */
import type { Run } from '../../../contracts/machine-io.ts';
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import type { Deps } from '../../deps.ts';
import { compareChunks } from '../../reconcile/compare-chunks.ts';
import { planChunks } from '../../reconcile/plan-chunks.ts';
import { record } from '../../reconcile/record.ts';
import { settle } from '../../reconcile/settle.ts';
import { needsRepairApproval, recordOr, repair } from '../../repair/steps.ts';
import type { MachineDefinition } from '../step.ts';

export const reconcileMachine: MachineDefinition = {
  machine: 'reconcile',
  entry: async (deps, run) => [await copiedGate(deps, run)],
  steps: {
    'plan-chunks': planChunks,
    'compare-chunks': compareChunks,
    settle,
    'needs-approval': needsRepairApproval,
    repair,
    record: recordOr(record),
  },
  next: 'npx crossfade drift status',
};

/** The schedule fires from the first day on: until a tenant is copied there is nothing to compare. */
async function copiedGate(deps: Deps, run: Run): Promise<GateDecision> {
  const tenants = (await deps.documents.list('tenant')).map(({ value }) => value);
  const copied = tenants.filter(
    ({ tenant, on, copied: isCopied }) => on && isCopied && (tenant === NO_TENANT || run.scope.includes(tenant)),
  );
  // Nothing to compare yet is no silence: the schedule is alive.
  if (copied.length === 0) deps.metrics.record('cycleCompleted', 1);
  return judgeGate(
    {
      gate: 'tenants-copied',
      value: copied.length,
      threshold: 1,
      comparison: 'at least',
      unit: 'tenants',
      source: 'tenant documents',
      measuredAt: deps.clock.now(),
      details: ['no tenant of the scope is copied yet; run: npx crossfade start backfill'],
    },
    deps.clock.now(),
  );
}

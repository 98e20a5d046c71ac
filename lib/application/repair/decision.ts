/** Who may decide a repair, and what was decided: above the cap and where the plan asks for it a person, bound to the plan that was shown. */
import type { ApprovalDocument, RepairDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import type { RepairState } from '../../contracts/repair.ts';
import type { Deps } from '../deps.ts';
import { findRepair, readArtefact, updateRepair } from './repair-store.ts';

export const RUNNABLE: readonly RepairState[] = ['planned', 'awaiting-approval', 'approved', 'running'];

/** @returns why it cannot be run. */
export async function findRunnable(deps: Deps, id: string): Promise<RepairDocument | string> {
  const document = await findRepair(deps, id);
  if (document === undefined) return `there is no repair ${id}; run: npx crossfade repair list`;
  if (!RUNNABLE.includes(document.state)) return `repair ${id} is ${document.state}; run: npx crossfade repair plan`;
  const rollback = (await deps.documents.get('machine', 'rollback'))?.value.current?.execution;
  if (document.execution === rollback)
    return `repair ${id} is that of rollback ${rollback}, which is running; wait for its end`;
  if (document.planHash !== deps.planHash)
    return `the migration's plan has changed since repair ${id} was made; run: npx crossfade repair plan`;
  if (document.state !== 'running' && document.expiresAt <= deps.clock.now().toISOString())
    return `repair ${id} expired at ${document.expiresAt}: rows have moved on; run: npx crossfade repair plan`;
  // Compares the hash: a plan that was changed is refused before anybody is asked.
  return readArtefact(deps.objects, document).then(
    () => document,
    (error: unknown) => {
      if (error instanceof RangeError) return error.message;
      throw error;
    },
  );
}

export function isApprovalWanted(deps: Deps, { rows }: Pick<RepairDocument, 'rows'>): boolean {
  const isAsked = deps.plan.approvals.machines.some((machine) => machine === 'reconcile');
  return isAsked || rows > deps.plan.reconcile.repair.capRows;
}

/** The decision is bound to the plan that was shown: another hash is another plan. */
export async function approvalGranted(
  deps: Deps,
  run: Run,
  document: RepairDocument,
): Promise<NonNullable<RepairDocument['approval']> | 'not-asked' | 'refused'> {
  if (run.dryRun || !isApprovalWanted(deps, document)) return 'not-asked';
  if (document.approval !== undefined) return document.approval;
  const found = await approvalsOf(deps, run);
  const given = found.find(
    ({ decision, evidenceHash }) => decision?.approved === true && evidenceHash === document.hash,
  );
  if (given?.decision === undefined) return 'refused';
  return { id: given.id, by: given.decision.by, at: given.decision.at };
}

/** Of a run whose repair nobody approved. */
export async function closeUnapproved(deps: Deps, run: Run, document: RepairDocument): Promise<RepairState> {
  if (document.state !== 'awaiting-approval') return document.state;
  const isRejected = (await approvalsOf(deps, run)).some(({ decision }) => decision?.approved === false);
  const state = isRejected ? 'refused' : 'expired';
  await updateRepair(deps, document.id, { state, endedAt: deps.clock.now().toISOString() });
  return state;
}

async function approvalsOf(deps: Deps, run: Run): Promise<readonly ApprovalDocument[]> {
  return (await deps.documents.list('approval'))
    .map(({ value }) => value)
    .filter((one) => one.execution === run.execution);
}

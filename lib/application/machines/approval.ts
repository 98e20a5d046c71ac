/** Asking a person: the task token stays in the control table, an approval id is handed out (design §5). */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import { someTenants } from '../../domain/some-tenants.ts';
import type { Deps } from '../deps.ts';
import { repairQuestion } from '../repair/question.ts';
import { leaveMachine } from './hold.ts';
import { schemaQuestion } from './rollback/schema-removal.ts';
import { runId } from './run-record.ts';
import { proceed } from './step.ts';

/** Whether the plan wants an approval for this run; the machine's Choice reads `data.approvalRequired`. */
export function needsApproval(deps: Deps, run: Run): StepResult {
  const required = !run.dryRun && deps.plan.approvals.machines.some((machine) => machine === run.machine);
  return proceed({ data: { approvalRequired: required }, notes: required ? ['waits for an approval'] : [] });
}

/** Called with a task token: the machine waits until the token is answered or times out. */
export async function askApproval(deps: Deps, run: Run, taskToken: string | undefined): Promise<StepResult> {
  if (taskToken === undefined) throw new RangeError('request-approval came without its task token');
  const now = deps.clock.now();
  const id = deps.newId().slice(0, 8);
  const about =
    run.machine === 'reconcile'
      ? await repairQuestion(deps, run)
      : run.from === 'schema'
        ? await schemaQuestion(deps, run)
        : undefined;
  const evidence = (await deps.documents.get('run', runId(run)))?.value.gates ?? [];
  await deps.documents.put(
    'approval',
    id,
    {
      id,
      machine: run.machine,
      execution: run.execution,
      requestedBy: run.requestedBy,
      requestedAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + deps.plan.approvals.expiry).toISOString(),
      question:
        about?.question ??
        (run.machine === 'rollback'
          ? `Roll back ${run.from} for ${someTenants(run.scope)}?`
          : `Go on with ${run.machine} for ${someTenants(run.scope)}?`),
      evidenceHash: about?.evidenceHash ?? fingerprint(evidence),
      taskToken,
    },
    'absent',
  );
  // Cycles go on while somebody reads a repair: the drift clock must not stand still for that (ADR 032).
  if (run.machine === 'reconcile') await leaveMachine(deps, run);
  deps.log.info('an approval is wanted', {
    id,
    machine: run.machine,
    next: `npx crossfade approve ${id} --comment "<why>" --plan ${run.plan}`,
  });
  return proceed();
}

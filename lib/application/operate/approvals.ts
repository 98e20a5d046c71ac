/** Approvals: what waits for a decision, and the decision. One decision each, by another person, recorded before the machine hears of it. */
import type { ApprovalDocument } from '../../contracts/documents.ts';
import type { Machine } from '../../domain/phase.ts';
import { VersionConflict } from '../../ports/documents.ts';
import { readOperatingNumbers } from './deployed-plan.ts';
import { messageOf, type Operator, OperatorError } from './operator.ts';
import { executionName } from './run-view.ts';
import { isSamePerson } from './same-person.ts';

export const APPROVAL_STATES = ['waiting', 'approved', 'rejected', 'lapsed'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** An approval without its task token, which is a credential. */
export interface ApprovalView extends Omit<ApprovalDocument, 'taskToken' | 'decision'> {
  readonly state: ApprovalState;
  readonly run: string;
  readonly decision: NonNullable<ApprovalDocument['decision']> | null;
}

export interface ApprovalsPayload {
  readonly approvals: readonly ApprovalView[];
  readonly next: string;
}

export async function listApprovals(operator: Operator, { all }: { readonly all: boolean }): Promise<ApprovalsPayload> {
  const now = operator.clock.now();
  const views = (await operator.documents.list('approval')).map(({ value }) => viewApproval(value, now));
  const approvals = views
    .filter((view) => all || view.state === 'waiting')
    .sort((left, right) => right.requestedAt.localeCompare(left.requestedAt));
  const waiting = approvals.find((view) => view.state === 'waiting');
  return {
    approvals,
    next: operator.command(waiting === undefined ? 'status' : `approve ${waiting.id} --comment "<why>"`),
  };
}

export interface DecisionPayload {
  readonly id: string;
  readonly machine: Machine;
  readonly run: string;
  readonly approved: boolean;
  readonly by: string;
  readonly comment: string;
  /** True: decided before by the same person, and only told to the machine again. */
  readonly repeated: boolean;
  /** Remarks that belong on record, e.g. that requester and approver are one person. */
  readonly notes: readonly string[];
  readonly next: string;
}

export async function decideApproval(
  operator: Operator,
  { id, approved, comment }: { readonly id: string; readonly approved: boolean; readonly comment: string },
): Promise<DecisionPayload> {
  const by = await operator.identity.whoAmI();
  const stored = await operator.documents.get('approval', id);
  if (stored === undefined)
    throw new OperatorError('usage', `no approval ${id} of plan ${operator.system.plan}`, {
      next: operator.command('approvals'),
    });
  const approval = stored.value;
  const run = executionName(approval.execution);
  const repeated = approval.decision?.approved === approved && approval.decision.by === by;
  const notes = await checkDecision(operator, approval, by, repeated);

  const decision =
    repeated && approval.decision !== undefined
      ? approval.decision
      : { approved, by, at: operator.clock.now().toISOString(), comment };
  if (!repeated) await recordDecision(operator, approval, decision, stored.version);
  await tellMachine(operator, approval, decision);
  return {
    id,
    machine: approval.machine,
    run,
    approved,
    by,
    comment: decision.comment,
    repeated,
    notes,
    next: operator.command(`runs ${run} --wait`),
  };
}

/** @returns remarks. @throws {OperatorError} refused, when this decision may not be made. */
async function checkDecision(
  operator: Operator,
  approval: ApprovalDocument,
  by: string,
  repeated: boolean,
): Promise<readonly string[]> {
  const run = executionName(approval.execution);
  const { decision, id } = approval;
  if (decision !== undefined && !repeated) {
    const word = decision.approved ? 'approved' : 'rejected';
    throw new OperatorError(
      'refused',
      `approval ${id} was ${word} by ${decision.by} at ${decision.at}; a decision stands`,
      { next: operator.command(`runs ${run}`) },
    );
  }
  if (approval.expiresAt <= operator.clock.now().toISOString()) {
    throw new OperatorError(
      'refused',
      `approval ${id} lapsed at ${approval.expiresAt}; the machine has taken it for a refusal`,
      {
        next: operator.command(approval.machine === 'rollback' ? 'status' : `start ${approval.machine}`),
      },
    );
  }
  if (!isSamePerson(approval.requestedBy, by)) return [];
  const numbers = await readOperatingNumbers(operator.documents);
  if (numbers.notByRequester ?? operator.system.outputs.environment !== 'dev') {
    throw new OperatorError(
      'refused',
      `approval ${id} was requested by ${approval.requestedBy}, and you are ${by}; somebody else decides`,
      {
        next: operator.command('approvals'),
      },
    );
  }
  return [
    `you requested this yourself; the ${operator.system.outputs.environment ?? 'dev'} plan allows that, staging and prod do not`,
  ];
}

async function recordDecision(
  operator: Operator,
  approval: ApprovalDocument,
  decision: NonNullable<ApprovalDocument['decision']>,
  version: number,
): Promise<void> {
  try {
    await operator.documents.put('approval', approval.id, { ...approval, decision }, version);
  } catch (error) {
    if (!(error instanceof VersionConflict)) throw error;
    throw new OperatorError('refused', `approval ${approval.id} was decided by somebody else a moment ago`, {
      next: operator.command('approvals --all'),
      cause: error,
    });
  }
}

/** The decision is on record first; when the machine does not take it, the same command tells it again. */
async function tellMachine(
  operator: Operator,
  approval: ApprovalDocument,
  decision: NonNullable<ApprovalDocument['decision']>,
): Promise<void> {
  try {
    await operator.workflow.succeedTask(approval.taskToken, {
      approved: decision.approved,
      by: decision.by,
      comment: decision.comment,
    });
  } catch (error) {
    const run = executionName(approval.execution);
    throw new OperatorError(
      'failed',
      `approval ${approval.id}: the decision is recorded, but run ${run} did not take it (${messageOf(error)}); it may have ended or been told before`,
      {
        next: operator.command(`runs ${run}`),
        cause: error,
      },
    );
  }
}

export function viewApproval(
  { taskToken: _credential, decision, ...approval }: ApprovalDocument,
  now: Date,
): ApprovalView {
  const lapsed = approval.expiresAt <= now.toISOString();
  const state = decision === undefined ? (lapsed ? 'lapsed' : 'waiting') : decision.approved ? 'approved' : 'rejected';
  return { ...approval, state, run: executionName(approval.execution), decision: decision ?? null };
}

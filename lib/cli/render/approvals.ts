import type { ApprovalsPayload, DecisionPayload } from '../../application/operate/approvals.ts';
import type { Paint } from '../terminal.ts';
import { outcome, table, time, who } from './layout.ts';

export function renderApprovals({ approvals }: ApprovalsPayload, paint: Paint): string {
  if (approvals.length === 0) return 'no approval waits for a decision';
  const rows = approvals.map((each) => [
    each.id,
    outcome(paint, each.state),
    each.machine,
    each.question,
    who(each.requestedBy),
    each.decision === null ? time(each.expiresAt) : `${who(each.decision.by)}: ${each.decision.comment}`,
  ]);
  return table(paint, ['id', 'state', 'machine', 'question', 'requested by', 'until / decided by'], rows);
}

export function renderDecision(
  { id, machine, run, approved, by, repeated, notes }: DecisionPayload,
  paint: Paint,
): string {
  const word = approved ? paint.green('approved') : paint.red('rejected');
  const again = repeated ? ', as before; the machine was told again' : '';
  return [
    `${machine} ${word} by ${who(by)}${again} (approval ${id}, run ${run})`,
    ...notes.map((note) => paint.yellow(note)),
  ].join('\n');
}

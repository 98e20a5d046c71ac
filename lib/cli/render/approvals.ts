import type { ApprovalsPayload, DecisionPayload } from '../../application/operate/approvals.ts';
import type { Paint } from '../terminal.ts';
import { facts, outcome, section, stack, time, who, wrap } from './layout.ts';

export function renderApprovals({ approvals }: ApprovalsPayload, paint: Paint): string {
  if (approvals.length === 0) return 'no approval waits for a decision';
  return stack(
    ...approvals.map((each) =>
      section(
        paint,
        each.id,
        facts(paint, [
          ['state', outcome(paint, each.state)],
          ['machine', each.machine],
          ['question', each.question],
          ['requested by', who(each.requestedBy)],
          ['until', each.decision === null ? time(each.expiresAt) : null],
          ['decided by', each.decision === null ? null : `${who(each.decision.by)}: ${each.decision.comment}`],
        ]),
      ),
    ),
  );
}

export function renderDecision(
  { id, machine, run, approved, by, repeated, notes }: DecisionPayload,
  paint: Paint,
): string {
  const word = approved ? paint.green('approved') : paint.red('rejected');
  const again = repeated ? ', as before; the machine was told again' : '';
  return [
    wrap(`${machine} ${word} by ${who(by)}${again} (approval ${id}, run ${run})`),
    ...notes.map((note) => paint.yellow(note)),
  ].join('\n');
}

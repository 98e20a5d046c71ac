/** Whether `cdk destroy` is refused, and why: a migration under way must not lose its control table (issue 3, item 3). Pure. */
import type { Phase } from '../../domain/phase.ts';
import type { DeployedSystem } from '../../ports/system.ts';
import type { MachineDocuments } from './migration-progress.ts';

export interface Protection {
  readonly on: boolean;
  /** What the state of the migration asks for. */
  readonly shouldBeOn: boolean;
  readonly reason: string;
}

export function describeProtection(
  system: DeployedSystem,
  phase: Phase | 'complete',
  machines: MachineDocuments,
): Protection {
  const on = system.stacks.some((stack) => stack.terminationProtection);
  const since = Object.values(machines)
    .flatMap((machine) => machine?.openedAt ?? [])
    .sort()[0];
  if (phase === 'complete')
    return { on, shouldBeOn: false, reason: 'the migration is complete; the stacks may be destroyed' };
  if (since === undefined)
    return { on, shouldBeOn: false, reason: 'no machine has run for real yet; the stacks may be destroyed' };
  return {
    on,
    shouldBeOn: true,
    reason: `a migration is under way since ${since}, in phase ${phase}; roll it back or finish it before the stacks are destroyed`,
  };
}

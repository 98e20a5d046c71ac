/** Whether `cdk destroy` is refused, and why: a migration under way must not lose its control table (issue 3, item 3). Pure. */
import type { Phase } from '../../domain/phase.ts';
import type { DeployedSystem } from '../../ports/system.ts';
import type { MachineDocuments } from './migration-progress.ts';

export interface Protection {
  readonly on: boolean;
  /** What the state of the migration asks for; null: nothing is lost either way. */
  readonly shouldBeOn: boolean | null;
  readonly reason: string;
}

export function describeProtection(
  system: DeployedSystem,
  phase: Phase | 'complete',
  machines: MachineDocuments,
): Protection {
  const on = system.stacks.some((stack) => stack.terminationProtection);
  if (phase === 'complete')
    return { on, shouldBeOn: false, reason: 'the migration is complete; the stacks may be destroyed' };
  const since = openedAt(machines);
  if (since === undefined)
    return { on, shouldBeOn: null, reason: 'no migration is under way; nothing is lost with the stacks' };
  return {
    on,
    shouldBeOn: true,
    reason: `a migration is under way since ${since}, in phase ${phase}; finish it or roll it back before the stacks are destroyed`,
  };
}

/** Under way: a machine holds a real run, or a tenant has passed one that was not rolled back. */
function openedAt(machines: MachineDocuments): string | undefined {
  const touched = Object.values(machines).filter(
    (machine) => machine !== undefined && (machine.current?.dryRun === false || Object.keys(machine.passed).length > 0),
  );
  return touched.flatMap((machine) => machine?.openedAt ?? []).sort()[0];
}

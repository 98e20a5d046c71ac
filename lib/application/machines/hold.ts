/** Which execution has a machine: one at a time. An execution that waits for a person may give it back meanwhile (ADR 032). */
import type { MachineDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import type { Deps } from '../deps.ts';

/** @returns the execution that already holds the machine, or null when the run holds it now. */
export async function takeMachine(deps: Deps, run: Run): Promise<string | null> {
  const stored = await deps.documents.get('machine', run.machine);
  const document: MachineDocument = stored?.value ?? { passed: {} };
  const current = document.current;
  if (current !== undefined && current.execution !== run.execution) {
    // An execution that was stopped half way left its mark behind; only one that still runs holds the machine.
    const execution = await deps.workflow.describe(current.execution);
    if (execution.status === 'running') return current.execution;
  }
  const { execution, startedAt, scope, dryRun } = run;
  await deps.documents.put(
    'machine',
    run.machine,
    { ...document, current: { execution, startedAt, scope, dryRun } },
    stored?.version ?? 'absent',
  );
  return null;
}

/** Others may begin; whoever gave it back takes it again before it works. */
export async function leaveMachine(deps: Deps, run: Run): Promise<void> {
  const stored = await deps.documents.get('machine', run.machine);
  if (stored?.value.current?.execution !== run.execution) return;
  const { current: _, ...kept } = stored.value;
  await deps.documents.put('machine', run.machine, kept, stored.version);
}

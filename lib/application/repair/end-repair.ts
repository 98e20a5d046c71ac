/** The end of a repair that has written: what became of it, in the evidence log and in its document. */
import type { RepairDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import type { Deps } from '../deps.ts';
import { updateRepair } from './repair-store.ts';
import type { RepairProgress } from './run-repair.ts';

export async function endRepair(
  deps: Deps,
  run: Run,
  document: RepairDocument,
  progress: RepairProgress,
): Promise<void> {
  const { outcomes, reasons } = progress;
  const at = deps.clock.now().toISOString();
  const { id, rows, hash } = document;
  const left = rows - outcomes.repaired - outcomes.converged;
  const note = `repair ${id}: ${outcomes.repaired} of ${counted(rows, 'row')} repaired, ${outcomes.converged} were equal by then, ${left} left; plan ${hash.slice(0, 12)}`;
  // First: a repair that is done is not done again, and would be missing in the audit for ever.
  await deps.documents.put(
    'evidence',
    `${run.startedAt}#repair#${fingerprint([run.execution, id]).slice(0, 8)}`,
    {
      kind: 'decision',
      at,
      machine: run.machine,
      execution: run.execution,
      dryRun: false,
      planHash: deps.planHash,
      note,
      by: run.requestedBy,
    },
    'any',
  );
  await updateRepair(deps, document.id, { state: 'done', outcomes, reasons, endedAt: at });
}

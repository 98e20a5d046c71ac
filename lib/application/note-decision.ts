/** A decision that no gate made, put in the evidence log: who was exposed, what was undone, which incident is closed. */
import type { Deps } from './deps.ts';

/** @param about part of the record's id, such as `undo`. @param by absent: Crossfade itself, by what it was told before. */
export async function noteDecision(
  deps: Pick<Deps, 'documents' | 'clock' | 'planHash' | 'newId'>,
  about: string,
  note: string,
  by?: string,
): Promise<void> {
  const at = deps.clock.now().toISOString();
  const evidence = {
    kind: 'decision',
    at,
    machine: null,
    execution: null,
    dryRun: false,
    planHash: deps.planHash,
    note,
    by,
  } as const;
  await deps.documents.put('evidence', `${at}#${about}#${deps.newId().slice(0, 8)}`, evidence, 'any');
}

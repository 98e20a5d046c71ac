/** Phase 5: legacy is proved unused, the target proved whole, the archive restorable; then reverse capture goes, and the migration is complete. */
import type { Run } from '../../../contracts/machine-io.ts';
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import type { Deps } from '../../deps.ts';
import { passedGate } from '../../gates/passed.ts';
import { latestJournal } from '../../switch/authority.ts';
import { needsApproval } from '../approval.ts';
import type { MachineDefinition } from '../step.ts';
import { archive } from './archive.ts';
import { audit } from './audit.ts';
import { checkConnections } from './check-connections.ts';
import { close } from './close.ts';
import { maintain } from './maintain.ts';
import { retireReverse } from './retire-reverse.ts';

export const decommissionMachine: MachineDefinition = {
  machine: 'decommission',
  entry,
  steps: {
    'check-connections': checkConnections,
    audit,
    archive,
    'needs-approval': async (deps, run) => needsApproval(deps, run),
    'retire-reverse': retireReverse,
    maintain,
    close,
  },
  next: 'npx crossfade status',
};

async function entry(deps: Deps, run: Run): Promise<readonly GateDecision[]> {
  const journal = await latestJournal(deps);
  const authoritative = judgeGate(
    {
      gate: 'target-authoritative',
      value: journal?.authoritative ?? null,
      threshold: 'target',
      comparison: 'equals',
      source: 'journal',
      measuredAt: journal === undefined ? null : new Date(journal.at),
      details: ['run: npx crossfade start switchover'],
    },
    deps.clock.now(),
  );
  return [await passedGate(deps, run, 'switchover'), authoritative];
}

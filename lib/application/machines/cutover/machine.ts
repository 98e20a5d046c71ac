/** Phase 4, reads: parity, canary, all of them, each watched; any harm returns the reads to legacy (guide phase 4). */
import { driftGate } from '../../gates/drift-gate.ts';
import { passedGate } from '../../gates/passed.ts';
import { incidentGate } from '../../incidents/incident-gate.ts';
import { needsApproval } from '../approval.ts';
import type { MachineDefinition } from '../step.ts';
import { analyzeTarget } from './analyze-target.ts';
import { checkParity } from './check-parity.ts';
import { returnReads } from './return-reads.ts';
import { raiseToFull, startCanary } from './start-canary.ts';
import { watchCanary, watchFull } from './watch-reads.ts';

export const cutoverMachine: MachineDefinition = {
  machine: 'cutover',
  entry: async (deps, run) => [
    await passedGate(deps, run, 'backfill'),
    await driftGate(deps, run),
    await incidentGate(deps),
  ],
  steps: {
    'check-parity': checkParity,
    'analyze-target': analyzeTarget,
    'needs-approval': async (deps, run) => needsApproval(deps, run),
    'start-canary': startCanary,
    'watch-canary': watchCanary,
    'raise-to-full': raiseToFull,
    'watch-full': watchFull,
    'return-reads': returnReads,
  },
  next: 'npx crossfade start switchover',
};

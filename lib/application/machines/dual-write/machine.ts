/** Phase 2: from single writes to writes that reach both stores, tenant by tenant. */
import { passedGate } from '../../gates/passed.ts';
import { needsApproval } from '../approval.ts';
import type { MachineDefinition } from '../step.ts';
import { dryRunWrites } from './dry-run-writes.ts';
import { expose } from './expose.ts';
import { install } from './install.ts';
import { watch } from './watch.ts';

export const dualWriteMachine: MachineDefinition = {
  machine: 'dual-write',
  entry: async (deps, run) => [await passedGate(deps, run, 'baseline')],
  steps: {
    install,
    'dry-run-writes': dryRunWrites,
    'needs-approval': async (deps, run) => needsApproval(deps, run),
    expose,
    watch,
  },
  next: 'npx crossfade start backfill',
};

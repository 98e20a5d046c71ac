/** Phase 1: environment parity, before anything is installed. Every step reads, or writes what it rolls back, so a dry run is the same run. */
import type { MachineDefinition } from '../step.ts';
import { checkPayloads } from './check-payloads.ts';
import { checkPools } from './check-pools.ts';
import { compareSchemas } from './compare-schemas.ts';
import { probeWrites } from './probe-writes.ts';

export const baselineMachine: MachineDefinition = {
  machine: 'baseline',
  // Both stores must be reachable: `begin` has read their catalogues.
  entry: async () => [],
  steps: {
    'compare-schemas': compareSchemas,
    'check-payloads': checkPayloads,
    'check-pools': checkPools,
    'probe-writes': probeWrites,
  },
  next: 'npx crossfade start dual-write',
};

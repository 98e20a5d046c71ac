/** Copies the history of tenants that are on, and proves that it arrived (design §3.5, §5; guide phase 3). */
import { copy } from '../../backfill/copy.ts';
import { planCopy } from '../../backfill/plan-copy.ts';
import { verifyCopy } from '../../backfill/verify-copy.ts';
import { passedGate } from '../../gates/passed.ts';
import { EXPOSURE_MODE } from '../../tenants/copy-turned-on.ts';
import type { MachineDefinition } from '../step.ts';

export const backfillMachine: MachineDefinition = {
  machine: 'backfill',
  // A tenant that a flag turned on is copied whatever phase it is in (protocol §5.3); everybody else passes dual-write first.
  entry: async (deps, run) => (run.mode === EXPOSURE_MODE ? [] : [await passedGate(deps, run, 'dual-write')]),
  steps: { 'plan-copy': planCopy, copy, 'verify-copy': verifyCopy },
  next: 'npx crossfade start reconcile',
};

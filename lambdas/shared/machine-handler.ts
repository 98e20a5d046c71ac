/** The function of a machine: one step an invocation. */

import { runStep } from '../../lib/application/machines/run-step.ts';
import type { MachineDefinition } from '../../lib/application/machines/step.ts';
import type { MachineOutput, StepEvent, StepResult } from '../../lib/contracts/machine-io.ts';
import { createHandler } from './handler.ts';

export function machineHandler(definition: MachineDefinition) {
  return createHandler<StepEvent, StepResult | MachineOutput>((deps, event) => runStep(definition, deps, event));
}

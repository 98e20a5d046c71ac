import { baselineMachine } from '../../lib/application/machines/baseline/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(baselineMachine);

import { dualWriteMachine } from '../../lib/application/machines/dual-write/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(dualWriteMachine);

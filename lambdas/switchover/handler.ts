import { switchoverMachine } from '../../lib/application/machines/switchover/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(switchoverMachine);

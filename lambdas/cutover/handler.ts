import { cutoverMachine } from '../../lib/application/machines/cutover/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(cutoverMachine);

import { decommissionMachine } from '../../lib/application/machines/decommission/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(decommissionMachine);

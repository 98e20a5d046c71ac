import { rollbackMachine } from '../../lib/application/machines/rollback/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(rollbackMachine);

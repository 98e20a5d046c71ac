import { backfillMachine } from '../../lib/application/machines/backfill/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(backfillMachine);

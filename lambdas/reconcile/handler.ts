import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { machineHandler } from '../shared/machine-handler.ts';

export const handler = machineHandler(reconcileMachine);

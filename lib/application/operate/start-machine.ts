/** Starts a machine's execution: by the CLI, with the same input as from the AWS console (design §12). */
import type { MachineInput } from '../../contracts/machine-io.ts';
import {
  FORWARD_MACHINES,
  type ForwardMachine,
  MACHINES,
  type Machine,
  PHASE_OF,
  PHASES,
  type Phase,
  type WayBack,
} from '../../domain/phase.ts';
import { type Operator, OperatorError } from './operator.ts';
import { type RunView, viewRun } from './run-view.ts';

/** What an execution is told, but for what is known of its operator: the deployed plan and who asks. */
export interface StartRequest extends Omit<MachineInput, 'plan' | 'requestedBy' | 'scope' | 'dryRun'> {
  readonly machine: Machine;
  readonly scope: readonly string[];
  readonly dryRun: boolean;
}

export interface StartedPayload {
  readonly run: RunView;
  readonly next: string;
}

/** Whether it may run is the execution's own decision (`begin`): two operators cannot race past a check made here. */
export async function startMachine(operator: Operator, request: StartRequest): Promise<StartedPayload> {
  const requestedBy = await operator.identity.whoAmI();
  const { machine, ...wishes } = request;
  const said = Object.entries(wishes).filter(
    ([, wish]) => wish !== undefined && !(Array.isArray(wish) && wish.length === 0),
  );
  const input: MachineInput = { ...Object.fromEntries(said), plan: operator.system.plan, requestedBy };
  const execution = await operator.workflow.start(machine, input);
  const run: RunView = {
    ...viewRun(undefined, execution),
    from: request.from ?? null,
    dryRun: request.dryRun,
    scope: request.scope,
    requestedBy,
  };
  return { run, next: operator.command(`runs ${run.id} --wait`) };
}

/**
 * A machine's name, or a phase's where it names one machine. `reconcile` and `cutover` are both; the machine of that name is meant.
 * @throws {OperatorError} usage, with what is allowed.
 */
export function parseForwardMachine(text: string): ForwardMachine {
  const machine = FORWARD_MACHINES.find((each) => each === text);
  if (machine !== undefined) return machine as ForwardMachine;
  const phase = PHASES.find((each) => each === text);
  const only = phase === undefined ? [] : machinesOf(phase);
  if (only.length === 1 && only[0] !== undefined) return only[0];
  if (text === 'rollback')
    throw new OperatorError('usage', 'rollback needs the machine whose work is undone', {
      next: 'npx crossfade rollback <machine> --dry-run',
    });
  throw new OperatorError('usage', `no machine ${text}; there are ${FORWARD_MACHINES.join(', ')}`, {
    next: 'npx crossfade start --help',
  });
}

/** A machine or phase whose work is undone, or `schema`. */
export function parseWayBack(text: string): WayBack {
  return text === 'schema' ? text : parseForwardMachine(text);
}

export function parseMachine(text: string): Machine {
  return MACHINES.find((each) => each === text) ?? parseForwardMachine(text);
}

function machinesOf(phase: Phase): readonly ForwardMachine[] {
  return (FORWARD_MACHINES as readonly ForwardMachine[]).filter((machine) => PHASE_OF[machine] === phase);
}

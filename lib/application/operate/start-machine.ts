/** Starts a machine's execution: by the CLI, with the same input as from the AWS console (design §12). */
import type { MachineInput } from '../../contracts/machine-io.ts';
import type { RepairJob } from '../../contracts/repair.ts';
import type { ScopeWish } from '../../domain/cycle-scope.ts';
import {
  FORWARD_MACHINES,
  type ForwardMachine,
  MACHINES,
  type Machine,
  PHASE_OF,
  PHASES,
  type Phase,
} from '../../domain/phase.ts';
import { type Operator, OperatorError } from './operator.ts';
import { type RunView, viewRun } from './run-view.ts';

export interface StartRequest {
  readonly machine: Machine;
  readonly scope: readonly string[];
  readonly dryRun: boolean;
  readonly from?: ForwardMachine | undefined;
  readonly repair?: boolean | undefined;
  readonly mode?: string | undefined;
  readonly tables?: readonly string[] | undefined;
  /** `reconcile` only: rows that are compared, as in the guide's `--limit=2000`. */
  readonly limit?: number | undefined;
  readonly scopeKind?: ScopeWish | undefined;
  readonly windowMs?: number | undefined;
  readonly keys?: readonly string[] | undefined;
  readonly repairJob?: RepairJob | undefined;
  readonly reason?: string | undefined;
}

export interface StartedPayload {
  readonly run: RunView;
  readonly next: string;
}

/** Whether it may run is the execution's own decision (`begin`): two operators cannot race past a check made here. */
export async function startMachine(operator: Operator, request: StartRequest): Promise<StartedPayload> {
  const requestedBy = await operator.identity.whoAmI();
  const input: MachineInput & { readonly limit?: number } = {
    plan: operator.system.plan,
    dryRun: request.dryRun,
    requestedBy,
    ...(request.scope.length > 0 ? { scope: request.scope } : {}),
    ...(request.from === undefined ? {} : { from: request.from }),
    ...(request.repair === undefined ? {} : { repair: request.repair }),
    ...(request.mode === undefined ? {} : { mode: request.mode }),
    ...(request.tables === undefined || request.tables.length === 0 ? {} : { tables: request.tables }),
    ...(request.limit === undefined ? {} : { limit: request.limit }),
    ...(request.scopeKind === undefined ? {} : { scopeKind: request.scopeKind }),
    ...(request.windowMs === undefined ? {} : { windowMs: request.windowMs }),
    ...(request.keys === undefined || request.keys.length === 0 ? {} : { keys: request.keys }),
    ...(request.repairJob === undefined ? {} : { repairJob: request.repairJob }),
    ...(request.reason === undefined ? {} : { reason: request.reason }),
  };
  const execution = await operator.workflow.start(request.machine, input);
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

export function parseMachine(text: string): Machine {
  return MACHINES.find((each) => each === text) ?? parseForwardMachine(text);
}

function machinesOf(phase: Phase): readonly ForwardMachine[] {
  return (FORWARD_MACHINES as readonly ForwardMachine[]).filter((machine) => PHASE_OF[machine] === phase);
}

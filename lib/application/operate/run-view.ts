/** One execution as people read it: the run document joined with what Step Functions says. Pure. */
import type { RunDocument } from '../../contracts/documents.ts';
import type { Outcome } from '../../contracts/machine-io.ts';
import type { GateDecision } from '../../domain/gate.ts';
import { type ForwardMachine, type Machine, machineAfter } from '../../domain/phase.ts';
import type { Execution } from '../../ports/workflow.ts';

export const RUN_STATES = [
  'running',
  'waiting',
  'passed',
  'refused',
  'halted',
  'differences',
  'rolled-back',
  'failed',
] as const;
export type RunState = (typeof RUN_STATES)[number];

export interface RunView {
  /** Execution name: what `crossfade runs <id>` takes. */
  readonly id: string;
  readonly execution: string;
  readonly machine: Machine;
  /** `rollback` only: the machine whose work is undone. */
  readonly from: ForwardMachine | null;
  readonly state: RunState;
  readonly dryRun: boolean;
  readonly scope: readonly string[];
  readonly requestedBy: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** Step that it is in, or was in last. */
  readonly step: string | null;
  readonly steps: RunDocument['steps'];
  readonly gates: readonly GateDecision[];
  readonly notes: readonly string[];
  readonly reasons: readonly string[];
  readonly error: string | null;
  /** Command to run next, without `--plan`. */
  readonly next: string;
}

/** The document id of a run: `<machine>#<execution name>`. */
export function runDocumentId(machine: Machine, executionName: string): string {
  return `${machine}#${executionName}`;
}

export function executionName(arn: string): string {
  return arn.slice(arn.lastIndexOf(':') + 1);
}

/** Either side may be missing: the document before `begin` has run, the execution after Step Functions has forgotten it (90 days). */
export function viewRun(document: RunDocument | undefined, execution: Execution | undefined): RunView {
  const machine = document?.machine ?? execution?.machine ?? 'baseline';
  const arn = document?.execution ?? execution?.arn ?? '';
  const state = stateOf(document, execution);
  const id = executionName(arn);
  const from = document?.from ?? null;
  return {
    id,
    execution: arn,
    machine,
    from,
    state,
    dryRun: document?.dryRun ?? execution?.output?.dryRun ?? false,
    scope: document?.scope ?? [],
    requestedBy: document?.requestedBy ?? 'unknown',
    startedAt: document?.startedAt ?? execution?.startedAt.toISOString() ?? '',
    endedAt: document?.endedAt ?? execution?.stoppedAt?.toISOString() ?? null,
    step: document?.step ?? null,
    steps: document?.steps ?? [],
    gates: execution?.output?.gates ?? document?.gates ?? [],
    notes: execution?.output?.notes ?? [],
    reasons: reasonsOf(document, execution),
    error: state === 'failed' ? (document?.error ?? execution?.error ?? 'Step Functions gave no error') : null,
    next: nextOf(machine, from, state, id, document?.dryRun === true, execution?.output?.next),
  };
}

function stateOf(document: RunDocument | undefined, execution: Execution | undefined): RunState {
  const recorded: Outcome | 'failed' | undefined = execution?.output?.outcome ?? document?.outcome;
  if (recorded !== undefined) return recorded;
  if (execution === undefined) return document?.endedAt === undefined ? 'running' : 'failed';
  return execution.status === 'running' ? 'running' : 'failed';
}

function reasonsOf(document: RunDocument | undefined, execution: Execution | undefined): readonly string[] {
  const answered = execution?.output?.reasons ?? [];
  return answered.length > 0 ? answered : (document?.reasons ?? []);
}

function nextOf(
  machine: Machine,
  from: ForwardMachine | null,
  state: RunState,
  id: string,
  dryRun: boolean,
  answered: string | undefined,
): string {
  if (state === 'running' || state === 'waiting') return `runs ${id} --wait`;
  if (answered !== undefined && answered !== '') return answered;
  const again = machine === 'rollback' ? `rollback ${from ?? '<machine>'}` : `start ${machine}`;
  if (state === 'failed') return `${again}${dryRun ? ' --dry-run' : ''}`;
  if (state === 'refused' || state === 'halted') return again;
  if (state === 'differences') return 'drift show';
  if (dryRun) return again;
  if (machine === 'rollback') return 'status';
  const after = machineAfter(machine);
  return after === undefined ? 'status' : `start ${after}`;
}

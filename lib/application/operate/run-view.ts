/** One execution as people read it: the run document joined with what Step Functions says. Pure. */
import type { RunDocument } from '../../contracts/documents.ts';
import type { Outcome } from '../../contracts/machine-io.ts';
import type { GateDecision } from '../../domain/gate.ts';
import { type Machine, machineAfter, type WayBack } from '../../domain/phase.ts';
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
  /** `rollback` only: what is undone. */
  readonly from: WayBack | null;
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

/**
 * Either side may be missing: the document before `begin` has run, the execution after Step Functions has forgotten it (90 days).
 * @param asked what was typed to start it, where that is known, for a run that its document does not tell of.
 */
export function viewRun(
  document: RunDocument | undefined,
  execution: Execution | undefined,
  asked?: string | undefined,
): RunView {
  const machine = document?.machine ?? execution?.machine ?? 'baseline';
  const arn = document?.execution ?? execution?.arn ?? '';
  const state = stateOf(document, execution);
  const id = executionName(arn);
  const from = document?.from ?? null;
  const dryRun = document?.dryRun ?? execution?.output?.dryRun ?? false;
  const reasons = reasonsOf(document, execution);
  return {
    id,
    execution: arn,
    machine,
    from,
    state,
    dryRun,
    scope: document?.scope ?? [],
    requestedBy: document?.requestedBy ?? 'unknown',
    startedAt: document?.startedAt ?? execution?.startedAt.toISOString() ?? '',
    endedAt: document?.endedAt ?? execution?.stoppedAt?.toISOString() ?? null,
    step: document?.step ?? null,
    steps: document?.steps ?? [],
    gates: execution?.output?.gates ?? document?.gates ?? [],
    notes: execution?.output?.notes ?? [],
    reasons,
    error: state === 'failed' ? (document?.error ?? execution?.error ?? describeEnd(execution)) : null,
    next: nextOf({
      machine,
      from,
      state,
      id,
      dryRun,
      reasons,
      asked: document?.command ?? asked,
      answered: execution?.output?.next,
    }),
  };
}

function stateOf(document: RunDocument | undefined, execution: Execution | undefined): RunState {
  const recorded: Outcome | 'failed' | undefined = execution?.output?.outcome ?? document?.outcome;
  if (recorded !== undefined) return recorded;
  if (execution === undefined) return document?.endedAt === undefined ? 'running' : 'failed';
  return execution.status === 'running' ? 'running' : 'failed';
}

/** Neither side names an error. */
function describeEnd(execution: Execution | undefined): string {
  if (execution === undefined) return 'its record ends without an outcome';
  return `the execution is ${execution.status} and names neither outcome nor error; see it in the Step Functions console`;
}

function reasonsOf(document: RunDocument | undefined, execution: Execution | undefined): readonly string[] {
  const answered = execution?.output?.reasons ?? [];
  return answered.length > 0 ? answered : (document?.reasons ?? []);
}

interface Ending extends Pick<RunView, 'machine' | 'from' | 'state' | 'id' | 'dryRun' | 'reasons'> {
  readonly asked: string | undefined;
  /** The execution's own answer. */
  readonly answered: string | undefined;
}

/**
 * Where the same machine comes next, it is for the same tenants, tables and rows: what a dry run showed of one tenant must not be
 * done to all of them by a line that was copied. The differences of a dry run are not on record: they cannot be shown.
 */
function nextOf({ machine, from, state, id, dryRun, reasons, asked, answered }: Ending): string {
  const done = asked ?? (machine === 'rollback' ? `rollback ${from ?? '<machine>'}` : `start ${machine}`);
  const again = dryRun ? `${done} --dry-run` : done;
  switch (state) {
    case 'running':
    case 'waiting':
      return `runs ${id} --wait`;
    case 'failed':
      return again;
    case 'halted':
      return 'resume';
    case 'refused':
      return commandIn(reasons) ?? again;
    case 'differences':
      return dryRun ? done : 'drift show';
    case 'rolled-back':
      return dryRun ? done : 'status';
    case 'passed':
      return dryRun ? done : (answered ?? afterPassing(machine));
  }
}

function afterPassing(machine: Machine): string {
  const after = machine === 'rollback' ? undefined : machineAfter(machine);
  return after === undefined ? 'status' : `start ${after}`;
}

/** `…; run: npx crossfade start dual-write`: the reasons of a refusal say what to run. */
function commandIn(reasons: readonly string[]): string | undefined {
  return reasons
    .map((reason) => /\brun: npx crossfade ([a-z][^;,]*)$/.exec(reason)?.[1])
    .find((command) => command !== undefined);
}

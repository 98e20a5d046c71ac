/** `finish` and `fail`: how a run ended is recorded, its machine is free again, and the next command is said. */
import type { MachineOutput, Outcome, Run, StepEvent, StepResult } from '../../contracts/machine-io.ts';
import { MACHINES, type WayBack } from '../../domain/phase.ts';
import type { Deps } from '../deps.ts';
import { runId } from './run-record.ts';
import { type MachineDefinition, refuse } from './step.ts';

export async function finish(
  definition: MachineDefinition,
  deps: Deps,
  run: Run,
  event: StepEvent,
): Promise<MachineOutput> {
  const outcome: Outcome = event.outcome ?? 'passed';
  const now = deps.clock.now().toISOString();
  const stored = await deps.documents.get('run', runId(run));
  const reasons = outcome === 'refused' ? (stored?.value.reasons ?? []) : [];
  const gates = stored?.value.gates ?? [];
  const notes = stored?.value.steps.flatMap((step) => step.notes) ?? [];
  await endMachine(deps, run, outcome, reasons, now);
  if (endsMigration(run, outcome)) await deps.protection.set(false);
  if (stored !== undefined)
    await deps.documents.put(
      'run',
      stored.id,
      { ...stored.value, outcome, endedAt: now, step: 'finish', reasons },
      'any',
    );
  deps.log.info('run ended', { machine: run.machine, outcome, dryRun: run.dryRun, reasons });
  return {
    machine: run.machine,
    outcome,
    dryRun: run.dryRun,
    gates,
    notes,
    reasons,
    next: nextCommand(definition, run, outcome, stored?.value.command),
  };
}

export async function fail(definition: MachineDefinition, deps: Deps, event: StepEvent): Promise<StepResult> {
  const execution = event.run?.execution ?? event.begin?.execution ?? 'unknown';
  const message = failureMessage(event.error);
  deps.log.error('run failed', { machine: definition.machine, execution, message });
  deps.metrics.record('stepFailed', 1);
  const now = deps.clock.now().toISOString();
  const run = event.run ?? (await heldBy(deps, definition, execution));
  if (run !== undefined) {
    await endMachine(deps, run, 'failed', [message], now);
    const stored = await deps.documents.get('run', runId(run));
    if (stored !== undefined)
      await deps.documents.put(
        'run',
        stored.id,
        { ...stored.value, outcome: 'failed', endedAt: now, error: message, reasons: [message] },
        'any',
      );
  }
  return refuse([message]);
}

type EndedRun = Pick<Run, 'machine' | 'execution' | 'scope' | 'dryRun' | 'from' | 'repairJob'>;

/** `begin` may fail after it took the machine: the machine knows by whom it is held, and must not stay so. */
async function heldBy(deps: Deps, { machine }: MachineDefinition, execution: string): Promise<EndedRun | undefined> {
  const current = (await deps.documents.get('machine', machine))?.value.current;
  return current?.execution === execution
    ? { machine, execution, scope: current.scope, dryRun: current.dryRun, from: null, repairJob: null }
    : undefined;
}

/** Step Functions wraps a function's error as JSON text in Cause. */
function failureMessage(error: StepEvent['error']): string {
  const cause = error?.Cause ?? '';
  try {
    const parsed: unknown = JSON.parse(cause);
    if (typeof parsed === 'object' && parsed !== null && 'errorMessage' in parsed)
      return `${error?.Error ?? 'Error'}: ${String(parsed.errorMessage)}`;
  } catch {
    // Not JSON: the cause is the message.
  }
  return `${error?.Error ?? 'Error'}: ${cause}`;
}

/** After these the stacks may be destroyed: nothing of the migration is left to lose. */
function endsMigration(run: Run, outcome: Outcome): boolean {
  if (run.dryRun) return false;
  return (
    (run.machine === 'decommission' && outcome === 'passed') ||
    ((run.from === 'baseline' || run.from === 'schema') && outcome === 'rolled-back')
  );
}

async function endMachine(
  deps: Deps,
  run: EndedRun,
  outcome: Outcome | 'failed',
  reasons: readonly string[],
  endedAt: string,
): Promise<void> {
  const stored = await deps.documents.get('machine', run.machine);
  // A refused second start must not free the machine of the run that holds it.
  if (stored === undefined || stored.value.current?.execution !== run.execution) return;
  const { current: _, ...kept } = stored.value;
  const last = run.dryRun ? kept.last : { execution: run.execution, outcome, endedAt, scope: run.scope, reasons };
  // A repair goes by way of reconcile's machine and compares nothing.
  const hasPassed = !run.dryRun && run.repairJob == null && (outcome === 'passed' || outcome === 'differences');
  const passed = hasPassed
    ? { ...kept.passed, ...Object.fromEntries(run.scope.map((tenant) => [tenant, endedAt])) }
    : kept.passed;
  await deps.documents.put(
    'machine',
    run.machine,
    { ...kept, passed, ...(last === undefined ? {} : { last }) },
    stored.version,
  );
  if (outcome === 'rolled-back' && run.from !== null && !run.dryRun) await forgetPassed(deps, run.from, run.scope);
}

/** What was undone has to be passed again, and so has everything after it. */
export async function forgetPassed(deps: Deps, from: WayBack, scope: readonly string[]): Promise<void> {
  for (const machine of MACHINES.slice(MACHINES.indexOf(from === 'schema' ? 'baseline' : from))) {
    const stored = await deps.documents.get('machine', machine);
    if (stored === undefined) continue;
    const passed = Object.fromEntries(
      // What the schema held, it held of everybody.
      from === 'schema' ? [] : Object.entries(stored.value.passed).filter(([tenant]) => !scope.includes(tenant)),
    );
    const { openedAt, ...kept } = stored.value;
    // With nobody left in it the phase has not begun: its window opens anew.
    const isOver = Object.keys(passed).length === 0;
    await deps.documents.put(
      'machine',
      machine,
      { ...kept, passed, ...(isOver || openedAt === undefined ? {} : { openedAt }) },
      stored.version,
    );
  }
}

/** @param asked what the run's document says would ask for the same. */
function nextCommand(definition: MachineDefinition, run: Run, outcome: Outcome, asked: string | undefined): string {
  const plan = ` --plan ${run.plan}`;
  if (outcome === 'refused') return `npx crossfade runs ${run.execution.split(':').at(-1)}${plan}`;
  if (outcome === 'halted') return `npx crossfade resume${plan}`;
  const bare = run.from === null ? `start ${run.machine}` : `rollback ${run.from}`;
  if (run.dryRun) return `npx crossfade ${asked ?? bare}${plan}`;
  return `${definition.next}${plan}`;
}

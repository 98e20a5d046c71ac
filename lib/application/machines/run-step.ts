/**
 * Runs one step of a machine: what every machine has in common. A run is begun once and holds its machine; pause and halt are
 * looked at before each step; every gate becomes evidence; the run's document tells `status` where it stands.
 */
import type { MachineDocument, RunDocument } from '../../contracts/documents.ts';
import type { MachineInput, MachineOutput, Outcome, Run, StepEvent, StepResult } from '../../contracts/machine-io.ts';
import type { GateDecision } from '../../domain/gate.ts';
import { FORWARD_MACHINES, type ForwardMachine, MACHINES, type Machine } from '../../domain/phase.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { VersionConflict } from '../../ports/documents.ts';
import { FlagsConflict } from '../../ports/flags.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Deps } from '../deps.ts';
import { loadMigration } from '../migration.ts';
import { recordPlan } from '../operate/deployed-plan.ts';
import { PlanMismatch } from '../read-tables.ts';
import { allTenants } from '../tenants/all-tenants.ts';
import { askApproval } from './approval.ts';
import { again, type MachineDefinition, proceed, refuse } from './step.ts';

/** Tries of a step whose failure may pass; with doubling waits they span a bit over two minutes. */
const STEP_TRIES = 8;
const LONGEST_WAIT_SECONDS = 30;
const PAUSE_LOOK_SECONDS = 5;

/**
 * Pause, halt and failures that may pass are answers, not errors: the machine waits where it stands, and says why. Errors are
 * left to Step Functions, whose Retry and Catch name them.
 */
export async function runStep(
  definition: MachineDefinition,
  deps: Deps,
  event: StepEvent,
): Promise<StepResult | MachineOutput> {
  if (event.step === 'fail') return fail(definition, deps, event);
  if (event.step === 'finish') return finish(definition, deps, runOf(definition, event), event);
  try {
    return event.step === 'begin' ? await begin(definition, deps, event) : await work(definition, deps, event);
  } catch (error) {
    const attempt = (event.attempt ?? 0) + 1;
    if (!mayPass(error) || attempt > STEP_TRIES) throw error;
    const waitSeconds = Math.min(LONGEST_WAIT_SECONDS, 2 ** (attempt - 1));
    const note = `${event.step} failed in a way that may pass (try ${attempt} of ${STEP_TRIES}): ${error.message}`;
    deps.log.warn(note, { machine: definition.machine, againInSeconds: waitSeconds });
    if (event.run !== undefined) await noteStep(deps, event.run, event.step, [note]);
    return { ...again(waitSeconds, { data: event.data ?? null, notes: [note] }), attempt };
  }
}

function mayPass(error: unknown): error is Error {
  if (error instanceof SqlError) return error.kind === 'transient' || error.kind === 'unavailable';
  return error instanceof VersionConflict || error instanceof FlagsConflict;
}

function runOf(definition: MachineDefinition, event: StepEvent): Run {
  if (event.run === undefined) throw new RangeError(`step ${event.step} of ${definition.machine} came without its run`);
  return event.run;
}

async function work(definition: MachineDefinition, deps: Deps, event: StepEvent): Promise<StepResult> {
  const run = runOf(definition, event);
  const held = await heedControl(deps, run, event);
  if (held !== null) return held;
  await noteStep(deps, run, event.step, []);
  if (event.step === 'request-approval') return askApproval(deps, run, event.taskToken);
  const step = definition.steps[event.step];
  if (step === undefined)
    throw new RangeError(
      `machine ${definition.machine} has no step ${event.step}; it has ${Object.keys(definition.steps).join(', ')}`,
    );
  const data = event.Items === undefined ? (event.data ?? null) : { items: event.Items, data: event.data };
  const result = await step(deps, run, data);
  await noteStep(deps, run, event.step, result.notes, result.gates, result.reasons);
  await recordEvidence(deps, run, result.gates);
  return result;
}

async function begin(definition: MachineDefinition, deps: Deps, event: StepEvent): Promise<StepResult> {
  const { machine } = definition;
  if (event.begin === undefined) throw new RangeError(`begin of ${machine} came without its input`);
  const { input, execution, startedAt } = event.begin;
  await recordPlan(deps.documents, deps.plan, deps.planHash, deps.clock.now());
  const problems = inputProblems(deps, machine, input);
  const resolved = await resolveScope(deps, input, problems);
  const run: Run = {
    execution,
    machine,
    plan: deps.plan.name,
    scope: resolved,
    dryRun: input.dryRun === true,
    from: input.from ?? null,
    repair: input.repair === true,
    mode: input.mode ?? null,
    tables: input.tables ?? [],
    limit: input.limit ?? null,
    requestedBy: input.requestedBy ?? 'unknown',
    startedAt,
  };
  await startRunDocument(deps, run);
  const refusal = async (reasons: readonly string[], gates: readonly GateDecision[] = []): Promise<StepResult> => {
    await noteStep(deps, run, 'begin', [], gates, reasons);
    await recordEvidence(deps, run, gates);
    return { ...refuse(reasons, { gates }), run };
  };
  if (problems.length > 0) return refusal(problems);
  const control = await deps.documents.get('control', 'control');
  if (control?.value.halted !== undefined && machine !== 'rollback') {
    const { by, at, why } = control.value.halted;
    return refusal([`the migration was halted by ${by} at ${at}: ${why}; run: npx crossfade resume`]);
  }
  const holder = await takeMachine(deps, run);
  if (holder !== null) return refusal([`${machine} is already running as ${holder}; run: npx crossfade status`]);
  if (!run.dryRun && run.machine === 'baseline') await deps.protection.set(true);
  const gates = await definition.entry(deps, run);
  const failed = gates.filter((gate) => !gate.pass);
  if (failed.length > 0)
    return refusal(
      failed.flatMap((gate) => gate.reasons),
      gates,
    );
  await noteStep(deps, run, 'begin', [`scope: ${run.scope.join(', ')}`], gates);
  await recordEvidence(deps, run, gates);
  return { ...proceed({ gates }), run };
}

function inputProblems(deps: Deps, machine: Machine, input: MachineInput): string[] {
  const problems: string[] = [];
  if (input.plan !== deps.plan.name)
    problems.push(`the execution is for plan ${String(input.plan)}, but ${deps.plan.name} is deployed here`);
  if (machine === 'rollback' && !FORWARD_MACHINES.some((known) => known === input.from)) {
    problems.push(`rollback needs "from", one of ${FORWARD_MACHINES.join(', ')}; got ${String(input.from)}`);
  }
  if (input.scope !== undefined && !Array.isArray(input.scope)) problems.push('"scope" must be a list of tenants');
  for (const table of input.tables ?? []) {
    if (deps.plan.tables[table] === undefined)
      problems.push(`table ${table} is not in the plan; it has ${Object.keys(deps.plan.tables).join(', ')}`);
  }
  return problems;
}

/** All tenants unless the input names some. A catalogue that does not fit the plan leaves the shared tenant; baseline says what is wrong. */
async function resolveScope(deps: Deps, input: MachineInput, problems: string[]): Promise<readonly string[]> {
  const wanted = Array.isArray(input.scope) ? input.scope : [];
  try {
    const migration = await loadMigration(deps);
    const known = await allTenants(migration, await authoritativeStore(deps));
    const scope = wanted.length === 0 ? known : wanted;
    for (const tenant of wanted) {
      if (!known.includes(tenant)) problems.push(`tenant ${tenant} owns no rows and is not named in the plan`);
    }
    return scope.length === 0 ? [NO_TENANT] : scope;
  } catch (error) {
    if (error instanceof PlanMismatch) return wanted.length === 0 ? [NO_TENANT] : wanted;
    throw error;
  }
}

async function authoritativeStore(deps: Deps): Promise<'legacy' | 'target'> {
  const [latest] = await deps.documents.list('journal', { limit: 1, descending: true });
  return latest?.value.authoritative ?? 'legacy';
}

/** @returns the execution that already holds the machine, or null when the run holds it now. */
async function takeMachine(deps: Deps, run: Run): Promise<string | null> {
  const stored = await deps.documents.get('machine', run.machine);
  const document: MachineDocument = stored?.value ?? { passed: {} };
  const current = document.current;
  if (current !== undefined && current.execution !== run.execution) {
    // An execution that was stopped half way left its mark behind; only one that still runs holds the machine.
    const execution = await deps.workflow.describe(current.execution);
    if (execution.status === 'running') return current.execution;
  }
  const { execution, startedAt, scope, dryRun } = run;
  await deps.documents.put(
    'machine',
    run.machine,
    {
      ...document,
      current: { execution, startedAt, scope, dryRun },
      openedAt: document.openedAt ?? (dryRun ? undefined : startedAt),
    },
    stored?.version ?? 'absent',
  );
  return null;
}

async function finish(definition: MachineDefinition, deps: Deps, run: Run, event: StepEvent): Promise<MachineOutput> {
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
    next: nextCommand(definition, run, outcome),
  };
}

async function fail(definition: MachineDefinition, deps: Deps, event: StepEvent): Promise<StepResult> {
  const execution = event.run?.execution ?? event.begin?.execution ?? 'unknown';
  const message = failureMessage(event.error);
  deps.log.error('run failed', { machine: definition.machine, execution, message });
  deps.metrics.record('stepFailed', 1);
  const now = deps.clock.now().toISOString();
  const run = event.run;
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
    (run.machine === 'decommission' && outcome === 'passed') || (run.from === 'baseline' && outcome === 'rolled-back')
  );
}

async function endMachine(
  deps: Deps,
  run: Run,
  outcome: Outcome | 'failed',
  reasons: readonly string[],
  endedAt: string,
): Promise<void> {
  const stored = await deps.documents.get('machine', run.machine);
  // A refused second start must not free the machine of the run that holds it.
  if (stored === undefined || stored.value.current?.execution !== run.execution) return;
  const { current: _, ...kept } = stored.value;
  const last = run.dryRun ? kept.last : { execution: run.execution, outcome, endedAt, scope: run.scope, reasons };
  const hasPassed = !run.dryRun && (outcome === 'passed' || outcome === 'differences');
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
async function forgetPassed(deps: Deps, from: ForwardMachine, scope: readonly string[]): Promise<void> {
  for (const machine of MACHINES.slice(MACHINES.indexOf(from))) {
    const stored = await deps.documents.get('machine', machine);
    if (stored === undefined) continue;
    const passed = Object.fromEntries(
      Object.entries(stored.value.passed).filter(([tenant]) => !scope.includes(tenant)),
    );
    await deps.documents.put('machine', machine, { ...stored.value, passed }, stored.version);
  }
}

/** The way back is not held up by a halt: it is what a halt is often for. */
async function heedControl(deps: Deps, run: Run, event: StepEvent): Promise<StepResult | null> {
  const control = (await deps.documents.get('control', 'control'))?.value;
  if (control?.halted !== undefined && run.machine !== 'rollback') {
    return { ...refuse([`halted by ${control.halted.by}: ${control.halted.why}`]), halted: true };
  }
  if (control?.paused === undefined) return null;
  const note = `paused by ${control.paused.by} since ${control.paused.at}: ${control.paused.why}; run: npx crossfade resume`;
  await noteStep(deps, run, event.step, [note]);
  return again(PAUSE_LOOK_SECONDS, { data: event.data ?? null, notes: [note] });
}

function runId(run: Pick<Run, 'machine' | 'execution'>): string {
  return `${run.machine}#${run.execution.split(':').at(-1)}`;
}

async function startRunDocument(deps: Deps, run: Run): Promise<void> {
  const { execution, machine, scope, dryRun, from, requestedBy, startedAt } = run;
  const document: RunDocument = {
    execution,
    machine,
    scope,
    dryRun,
    from,
    requestedBy,
    startedAt,
    step: 'begin',
    steps: [],
    gates: [],
    reasons: [],
  };
  await deps.documents.put('run', runId(run), document, 'any');
}

/** A step that answers again and again is noted once, with its latest notes. */
async function noteStep(
  deps: Deps,
  run: Run,
  step: string,
  notes: readonly string[],
  gates: readonly GateDecision[] = [],
  reasons: readonly string[] = [],
): Promise<void> {
  const stored = await deps.documents.get('run', runId(run));
  if (stored === undefined) return;
  const at = deps.clock.now().toISOString();
  const others = stored.value.steps.filter((known) => known.step !== step);
  const fresh = new Set(gates.map((gate) => gate.gate));
  await deps.documents.put(
    'run',
    stored.id,
    {
      ...stored.value,
      step,
      steps: [...others, { step, at, notes }],
      gates: [...stored.value.gates.filter((gate) => !fresh.has(gate.gate)), ...gates],
      reasons: [...stored.value.reasons, ...reasons],
    },
    'any',
  );
}

async function recordEvidence(deps: Deps, run: Run, gates: readonly GateDecision[]): Promise<void> {
  const at = deps.clock.now().toISOString();
  for (const gate of gates) {
    await deps.documents.put(
      'evidence',
      `${at}#${gate.gate}#${deps.newId().slice(0, 8)}`,
      {
        kind: 'gate',
        at,
        machine: run.machine,
        execution: run.execution,
        dryRun: run.dryRun,
        planHash: deps.planHash,
        gate,
      },
      'absent',
    );
  }
}

function nextCommand(definition: MachineDefinition, run: Run, outcome: Outcome): string {
  const plan = ` --plan ${run.plan}`;
  if (outcome === 'refused') return `npx crossfade runs ${run.execution.split(':').at(-1)}${plan}`;
  if (outcome === 'halted') return `npx crossfade resume${plan}`;
  if (run.dryRun) return `npx crossfade start ${run.machine}${plan}`;
  return `${definition.next}${plan}`;
}

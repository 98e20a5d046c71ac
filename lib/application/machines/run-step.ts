/**
 * Runs one step of a machine: what every machine has in common. A run is begun once and holds its machine; pause and halt are
 * looked at before each step; every gate becomes evidence; the run's document tells `status` where it stands.
 */
import type { MachineOutput, Run, StepEvent, StepResult } from '../../contracts/machine-io.ts';
import { VersionConflict } from '../../ports/documents.ts';
import { FlagsConflict } from '../../ports/flags.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Deps } from '../deps.ts';
import { askApproval } from './approval.ts';
import { begin } from './begin.ts';
import { fail, finish } from './finish.ts';
import { noteStep, recordEvidence } from './run-record.ts';
import { again, type MachineDefinition, refuse } from './step.ts';

/** Tries of a step whose failure may pass; with doubling waits they span a bit over two minutes. */
const STEP_TRIES = 8;
/** Nothing has been begun: whoever started it had better hear of it soon. About 15 s. */
const BEGIN_TRIES = 5;
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
    const isBegin = event.step === 'begin';
    const tries = isBegin ? BEGIN_TRIES : STEP_TRIES;
    const attempt = (event.attempt ?? 0) + 1;
    if (!mayPass(error) || attempt >= tries) throw error;
    const waitSeconds = Math.min(LONGEST_WAIT_SECONDS, 2 ** (attempt - 1));
    const note = `${event.step} failed in a way that may pass (try ${attempt} of ${tries}): ${error.message}`;
    deps.log.warn(note, { machine: definition.machine, againInSeconds: waitSeconds });
    if (event.run !== undefined) await noteStep(deps, event.run, event.step, [note]);
    // Before there is a run, the count travels as the state's output.
    if (isBegin) return { ...again(waitSeconds, { data: { attempt }, notes: [note] }), attempt, run: null };
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

/** Behind a fence applications wait: a pause there would be an outage. */
const NEVER_PAUSED: ReadonlySet<string> = new Set(['drain', 'drain-reverse', 'prove-equal', 'set-sequences']);
/** What undoes, what completes a decision that is on record, and what a person has to be able to answer. */
const NEVER_HELD: ReadonlySet<string> = new Set([
  'move-authority',
  'return-authority',
  'unfence-target',
  'unfence-legacy',
  'return-reads',
  'request-approval',
]);

/** The way back is not held up by a halt: it is what a halt is often for. */
async function heedControl(deps: Deps, run: Run, event: StepEvent): Promise<StepResult | null> {
  if (NEVER_HELD.has(event.step)) return null;
  const control = (await deps.documents.get('control', 'control'))?.value;
  if (control?.halted !== undefined && run.machine !== 'rollback') {
    return { ...refuse([`halted by ${control.halted.by}: ${control.halted.why}`]), halted: true };
  }
  if (control?.paused === undefined || NEVER_PAUSED.has(event.step)) return null;
  const note = `paused by ${control.paused.by} since ${control.paused.at}: ${control.paused.why}; run: npx crossfade resume`;
  await noteStep(deps, run, event.step, [note]);
  return again(PAUSE_LOOK_SECONDS, { data: event.data ?? null, notes: [note] });
}

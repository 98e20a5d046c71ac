/** The one answer that an operator wants at night: why does it wait, and which command comes next. Pure. */
import type { ForwardMachine, Phase } from '../../domain/phase.ts';
import { formatSpan } from './format-span.ts';
import type { StatusPayload } from './status-payload.ts';

export interface Standing extends Pick<StatusPayload, 'machines' | 'marks' | 'approvals' | 'windows' | 'drift'> {
  readonly phase: Phase | 'complete';
  /** First machine that not every tenant has passed. */
  readonly machineToPass: ForwardMachine | undefined;
}

interface Advice {
  readonly waitsFor: readonly string[];
  /** Without the program's name. */
  readonly next: string;
}

/** Rules in order of urgency; the first one that applies gives the command. */
const RULES: readonly ((standing: Standing) => Advice | undefined)[] = [
  ({ marks: { halted } }) =>
    halted === null
      ? undefined
      : { waitsFor: [`halted by ${halted.by} at ${halted.at}: ${halted.why}`], next: 'resume' },
  ({ marks: { paused } }) =>
    paused === null
      ? undefined
      : { waitsFor: [`paused by ${paused.by} at ${paused.at}: ${paused.why}`], next: 'resume' },
  ({ marks: { deliveryHeld } }) =>
    deliveryHeld === null
      ? undefined
      : {
          waitsFor: [
            `delivery is held by ${deliveryHeld.by} at ${deliveryHeld.at}: ${deliveryHeld.why}; events wait, nothing is lost`,
          ],
          next: 'flags resume-delivery',
        },
  ({ approvals }) => {
    const first = approvals[0];
    if (first === undefined) return undefined;
    return {
      waitsFor: approvals.map(
        (each) => `${each.machine} waits for an approval (${each.id}) until ${each.expiresAt}: ${each.question}`,
      ),
      next: `approve ${first.id} --comment "<why>"`,
    };
  },
  ({ machines }) => {
    const running = machines.find((machine) => machine.running !== null)?.running;
    return running === null || running === undefined ? undefined : { waitsFor: [], next: `runs ${running.run} --wait` };
  },
  ({ machineToPass }) => (machineToPass === undefined ? { waitsFor: [], next: 'doctor' } : undefined),
  waitForDrift,
  startNext,
];

export function whatNext(standing: Standing): Advice {
  for (const rule of RULES) {
    const advice = rule(standing);
    if (advice !== undefined) return { ...advice, waitsFor: [...advice.waitsFor, ...pastMax(standing)] };
  }
  return { waitsFor: [], next: 'status' };
}

/** Cutover asks for the drift gate; starting it earlier is refused. */
function waitForDrift({ machineToPass, drift }: Standing): Advice | undefined {
  if (machineToPass !== 'cutover' || drift.pass) return undefined;
  return { waitsFor: drift.reasons.map((reason) => `the drift clock: ${reason}`), next: 'drift status' };
}

function startNext({ machineToPass, machines }: Standing): Advice | undefined {
  if (machineToPass === undefined) return undefined;
  const machine = machines.find((each) => each.machine === machineToPass);
  const last = machine?.last;
  const before = machines[machines.findIndex((each) => each.machine === machineToPass) - 1]?.last;
  // What refused it then may be what the machine before it has passed since.
  const isStale = before?.outcome === 'passed' && last != null && before.endedAt > last.endedAt;
  const notPassed =
    last === null || last === undefined || last.outcome === 'passed' || isStale
      ? []
      : [`${machineToPass} ended as ${last.outcome} at ${last.endedAt}`, ...last.reasons];
  return {
    waitsFor: notPassed,
    next: last?.outcome === 'failed' && !isStale ? `runs ${last.run}` : `start ${machineToPass}`,
  };
}

function pastMax({ windows }: Standing): readonly string[] {
  return windows
    .filter((window) => window.state === 'past max')
    .map(
      (window) =>
        `phase ${window.phase} is past its compatibility window: ${formatSpan(window.usedMs)} used, at most ${formatSpan(window.maxMs ?? 0)}`,
    );
}

/** The shape of a machine's definition and the answers of its steps. Flow lives in state-machines/*.asl.json; work lives in steps. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { allPass, type GateDecision } from '../../domain/gate.ts';
import type { Machine } from '../../domain/phase.ts';
import type { Deps } from '../deps.ts';

export type Step = (deps: Deps, run: Run, data: unknown) => Promise<StepResult>;

export interface MachineDefinition {
  readonly machine: Machine;
  /** Gates that must pass before the first step; a dry run is judged by them too. */
  readonly entry: (deps: Deps, run: Run) => Promise<readonly GateDecision[]>;
  readonly steps: Readonly<Record<string, Step>>;
  /** Command to run after it passed. */
  readonly next: string;
}

interface Answer {
  readonly notes?: readonly string[];
  readonly gates?: readonly GateDecision[];
  readonly data?: unknown;
}

export function proceed({ notes = [], gates = [], data = null }: Answer = {}): StepResult {
  return { proceed: true, again: false, waitSeconds: 0, gates, notes, reasons: [], data };
}

/** The step has more to do: run it again after `waitSeconds`. */
export function again(waitSeconds: number, { notes = [], gates = [], data = null }: Answer = {}): StepResult {
  return { proceed: true, again: true, waitSeconds, gates, notes, reasons: [], data };
}

export function refuse(reasons: readonly string[], { notes = [], gates = [], data = null }: Answer = {}): StepResult {
  return { proceed: false, again: false, waitSeconds: 0, gates, notes, reasons, data };
}

/** Proceeds when every gate passes; otherwise refuses with the failed gates' reasons. */
export function judged(gates: readonly GateDecision[], answer: Omit<Answer, 'gates'> = {}): StepResult {
  return allPass(gates)
    ? proceed({ ...answer, gates })
    : refuse(
        gates.flatMap((gate) => gate.reasons),
        { ...answer, gates },
      );
}

/** Epoch milliseconds that an earlier answer of the same step handed on as `data.since`. */
export function sinceOf(data: unknown): number | undefined {
  return typeof data === 'object' && data !== null && 'since' in data && typeof data.since === 'number'
    ? data.since
    : undefined;
}

/** How far a migration is: what each machine says of each tenant, folded into a phase. Pure. */
import type { MachineDocument } from '../../contracts/documents.ts';
import {
  FORWARD_MACHINES,
  type ForwardMachine,
  type Machine,
  PHASE_OF,
  PHASES,
  type Phase,
} from '../../domain/phase.ts';
import type { OperatingNumbers } from './deployed-plan.ts';

export type MachineDocuments = Readonly<Partial<Record<Machine, MachineDocument>>>;

/** The first machine that not every tenant has passed; undefined when all are through. */
export function machineToPass(machines: MachineDocuments, tenants: readonly string[]): ForwardMachine | undefined {
  return (FORWARD_MACHINES as readonly ForwardMachine[]).find((machine) => !isPassed(machines[machine], tenants));
}

/** The migration's phase is that of its least advanced tenant (design §2). */
export function phaseOfMigration(machines: MachineDocuments, tenants: readonly string[]): Phase | 'complete' {
  const machine = machineToPass(machines, tenants);
  return machine === undefined ? 'complete' : PHASE_OF[machine];
}

export function isPassed(machine: MachineDocument | undefined, tenants: readonly string[]): boolean {
  const passed = machine?.passed ?? {};
  return tenants.length === 0
    ? Object.keys(passed).length > 0
    : tenants.every((tenant) => passed[tenant] !== undefined);
}

export interface WindowUse {
  readonly phase: Phase;
  /** ISO; null: not begun. */
  readonly openedAt: string | null;
  /** ISO; null: still in it. */
  readonly closedAt: string | null;
  readonly usedMs: number;
  readonly minMs: number;
  readonly maxMs: number | null;
  readonly state: 'not begun' | 'below min' | 'inside' | 'past max' | 'closed';
}

/** Time used of each phase's compatibility window (design §2). A window opens with the phase's first real run and closes when the next one opens. */
export function useWindows(
  machines: MachineDocuments,
  windows: OperatingNumbers['windows'],
  now: Date,
): readonly WindowUse[] {
  const openings = PHASES.map((phase) => openingOf(machines, phase));
  return PHASES.map((phase, index) => {
    const { min, max } = windows[phase];
    const openedAt = openings[index] ?? null;
    const closedAt = openings.slice(index + 1).find((opening) => opening !== null) ?? null;
    const usedMs =
      openedAt === null ? 0 : Math.max(0, Date.parse(closedAt ?? now.toISOString()) - Date.parse(openedAt));
    return {
      phase,
      openedAt,
      closedAt,
      usedMs,
      minMs: min,
      maxMs: max,
      state: stateOf(openedAt, closedAt, usedMs, min, max),
    };
  });
}

function openingOf(machines: MachineDocuments, phase: Phase): string | null {
  const opened = (FORWARD_MACHINES as readonly ForwardMachine[])
    .filter((machine) => PHASE_OF[machine] === phase)
    .flatMap((machine) => machines[machine]?.openedAt ?? []);
  return opened.sort()[0] ?? null;
}

function stateOf(
  openedAt: string | null,
  closedAt: string | null,
  used: number,
  min: number,
  max: number | null,
): WindowUse['state'] {
  if (openedAt === null) return 'not begun';
  if (closedAt !== null) return 'closed';
  if (max !== null && used > max) return 'past max';
  return used < min ? 'below min' : 'inside';
}

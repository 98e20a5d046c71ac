/** The five phases of the guide and the machines that carry them out, in their order (design §2, §5). */
export const PHASES = ['baseline', 'dual-write', 'reconcile', 'cutover', 'decommission'] as const;
export type Phase = (typeof PHASES)[number];

export const MACHINES = [
  'baseline',
  'dual-write',
  'backfill',
  'reconcile',
  'cutover',
  'switchover',
  'decommission',
  'rollback',
] as const;
export type Machine = (typeof MACHINES)[number];

/** Machines in the order in which a migration passes them; `rollback` serves all of them and stands outside. */
export const FORWARD_MACHINES = MACHINES.filter((machine) => machine !== 'rollback');
export type ForwardMachine = Exclude<Machine, 'rollback'>;

/** What `rollback` undoes: the work of a machine, or everything that Crossfade made in the stores. */
export type WayBack = ForwardMachine | 'schema';
export const WAYS_BACK: readonly WayBack[] = [...(FORWARD_MACHINES as readonly ForwardMachine[]), 'schema'];

export const PHASE_OF: Readonly<Record<ForwardMachine, Phase>> = {
  baseline: 'baseline',
  'dual-write': 'dual-write',
  backfill: 'reconcile',
  reconcile: 'reconcile',
  cutover: 'cutover',
  switchover: 'cutover',
  decommission: 'decommission',
};

export function machineAfter(machine: ForwardMachine): ForwardMachine | undefined {
  return FORWARD_MACHINES[FORWARD_MACHINES.indexOf(machine) + 1] as ForwardMachine | undefined;
}

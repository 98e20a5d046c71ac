/** Everything that the control table says of a migration, read once: `status` and `doctor` judge the same facts. */
import type {
  ControlDocument,
  CycleDocument,
  DriftDocument,
  JournalDocument,
  MachineDocument,
  ProgressDocument,
  TenantDocument,
} from '../../contracts/documents.ts';
import { MACHINES, type Machine } from '../../domain/phase.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { LOOK_BACK } from '../gates/drift-gate.ts';
import { abandonedCycle } from '../reconcile/open-cycle.ts';
import { withAllTenants } from '../reconcile/with-all-tenants.ts';
import { type OperatingNumbers, readOperatingNumbers } from './deployed-plan.ts';
import type { MachineDocuments } from './migration-progress.ts';
import type { Operator } from './operator.ts';

export interface MigrationFacts {
  readonly control: ControlDocument;
  readonly machines: MachineDocuments;
  readonly tenants: readonly TenantDocument[];
  /** Ids of the plan's tenants, of those found in the data and of those that passed a machine; sorted. */
  readonly tenantIds: readonly string[];
  /** Tenants whose rows reconciliation compares. */
  readonly copiedIds: readonly string[];
  /** Last entry: who is authoritative. */
  readonly journal: JournalDocument | undefined;
  /** Newest first, as far back as the drift gate looks. */
  readonly cycles: readonly CycleDocument[];
  /** Rows found to differ, those that are over among them. */
  readonly differences: readonly DriftDocument[];
  readonly progress: readonly ProgressDocument[];
  readonly numbers: OperatingNumbers;
}

export async function readFacts(operator: Operator): Promise<MigrationFacts> {
  const { documents } = operator;
  const numbers = await readOperatingNumbers(documents);
  const [control, machines, tenants, journal, cycles, progress, differences] = await Promise.all([
    documents.get('control', 'control'),
    Promise.all(MACHINES.map(async (machine) => [machine, (await documents.get('machine', machine))?.value] as const)),
    documents.list('tenant'),
    documents.list('journal', { descending: true, limit: 1 }),
    readCycles(operator, numbers),
    documents.list('progress'),
    documents.list('drift'),
  ]);
  const found = tenants.map(({ value }) => value);
  const passed = machines.flatMap(([, document]) => Object.keys(document?.passed ?? {}));
  return {
    control: control?.value ?? {},
    machines: onlyDefined(machines),
    tenants: found,
    tenantIds: [
      ...new Set([
        ...numbers.tenants.map(({ id }) => id),
        ...found.map(({ tenant }) => tenant).filter(isOwn),
        ...passed,
      ]),
    ].sort(),
    copiedIds: found.filter(({ on, copied }) => on && copied).map(({ tenant }) => tenant),
    journal: journal[0]?.value,
    cycles,
    differences: differences.map(({ value }) => value),
    progress: progress.map(({ value }) => value),
    numbers,
  };
}

/** The shared tenant follows the others and passes no machine; a plan without tenants names it itself. */
function isOwn(tenant: string): boolean {
  return tenant !== NO_TENANT;
}

/** As far back as the gate looks: with pauses, its window reaches further than its length. */
export async function readCycles(operator: Operator, numbers: OperatingNumbers): Promise<readonly CycleDocument[]> {
  const from = new Date(
    operator.clock.now().getTime() - LOOK_BACK * numbers.driftGate.forMs - 2 * numbers.driftGate.cycleMs,
  ).toISOString();
  const inWindow = await operator.documents.list('cycle', { from, descending: true });
  // A migration whose cycles stopped long ago still has a last one to show.
  const shown = inWindow.length > 0 ? inWindow : await operator.documents.list('cycle', { descending: true, limit: 1 });
  const listed = shown.map(({ value }) => value);
  const cycles = await withAllTenants(operator.objects, listed);
  // As the gate sees it: what its execution left behind has failed, though nobody has recorded that yet.
  const abandoned = await abandonedCycle(operator);
  if (abandoned === undefined) return cycles;
  return [abandoned, ...cycles.filter(({ startedAt }) => startedAt !== abandoned.startedAt)].toSorted((one, other) =>
    one.startedAt < other.startedAt ? 1 : -1,
  );
}

function onlyDefined(entries: readonly (readonly [Machine, MachineDocument | undefined])[]): MachineDocuments {
  return Object.fromEntries(entries.filter(([, document]) => document !== undefined));
}

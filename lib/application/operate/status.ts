/** Where a migration stands, why it waits, and what comes next: one read of the control table and the queues. */
import type {
  BreakerDocument,
  JournalDocument,
  Mark,
  ProgressDocument,
  TenantDocument,
} from '../../contracts/documents.ts';
import { DIRECTIONS, type Direction } from '../../domain/direction.ts';
import { type ForwardMachine, MACHINES, type Machine, PHASE_OF, type Phase } from '../../domain/phase.ts';
import { type ApprovalView, viewApproval } from './approvals.ts';
import { type DriftClock, readDriftClock } from './drift-clock.ts';
import { listPendingApprovals } from './follow-run.ts';
import { machineToPass, phaseOfMigration, useWindows, type WindowUse } from './migration-progress.ts';
import { messageOf, type Operator } from './operator.ts';
import { describeProtection, type Protection } from './protection.ts';
import { type MigrationFacts, readFacts } from './read-facts.ts';
import { executionName, runDocumentId } from './run-view.ts';
import { readMarks } from './set-marks.ts';
import { whatNext } from './what-next.ts';

export interface MachineStatus {
  readonly machine: Machine;
  readonly phase: Phase | null;
  /** Tenants that have passed it, of all that are known. */
  readonly passed: number;
  readonly tenants: number;
  readonly running: {
    readonly run: string;
    readonly step: string | null;
    readonly startedAt: string;
    readonly dryRun: boolean;
    readonly scope: readonly string[];
    readonly notes: readonly string[];
  } | null;
  readonly last: {
    readonly run: string;
    readonly outcome: string;
    readonly endedAt: string;
    readonly reasons: readonly string[];
  } | null;
}

export interface QueueStatus {
  readonly direction: Direction;
  /** null: it could not be asked; `problem` says why. */
  readonly depth: { readonly waiting: number; readonly inFlight: number; readonly dead: number } | null;
  readonly problem: string | null;
}

export interface RelayStatus {
  readonly work: string;
  readonly at: string;
  readonly ageMs: number;
  /** What the relay last counted: lag in ms, events undelivered, parked, dead. */
  readonly state: Readonly<Record<string, unknown>>;
}

export interface StatusPayload {
  readonly plan: string;
  readonly environment: string | null;
  readonly planHash: string | null;
  readonly at: string;
  readonly phase: Phase | 'complete';
  readonly machines: readonly MachineStatus[];
  readonly windows: readonly WindowUse[];
  /** Whether windows and limits are the plan's or, before its first run, the guide's. */
  readonly numbersFrom: 'plan' | 'guide';
  readonly authority: Pick<JournalDocument, 'n' | 'authoritative' | 'direction' | 'at' | 'by' | 'why'>;
  readonly tenants: readonly TenantDocument[];
  readonly marks: { readonly paused: Mark | null; readonly halted: Mark | null; readonly deliveryHeld: Mark | null };
  readonly approvals: readonly ApprovalView[];
  readonly drift: DriftClock;
  readonly openDrift: number;
  readonly relays: readonly RelayStatus[];
  readonly queues: readonly QueueStatus[];
  readonly breaker: BreakerDocument | null;
  readonly protection: Protection;
  /** Why nothing moves, one reason a line; empty while something runs or nothing has to. */
  readonly waitsFor: readonly string[];
  readonly next: string;
}

export async function readStatus(operator: Operator): Promise<StatusPayload> {
  const now = operator.clock.now();
  const migration = await readFacts(operator);
  const { machines, numbers, tenantIds } = migration;
  const [running, pending, openDrift, queues, breaker] = await Promise.all([
    Promise.all(MACHINES.map((machine) => readMachine(operator, machine, migration))),
    listPendingApprovals(operator),
    operator.documents.list('drift'),
    Promise.all(DIRECTIONS.map((direction) => readQueue(operator, direction))),
    operator.documents.get('breaker', 'target-read'),
  ]);
  const facts = {
    phase: phaseOfMigration(machines, tenantIds),
    machineToPass: machineToPass(machines, tenantIds),
    machines: running,
    windows: useWindows(machines, numbers.windows, now),
    marks: readMarks(migration.control),
    approvals: pending.map((approval) => viewApproval(approval, now)),
    drift: readDriftClock(migration.cycles, numbers, migration.copiedIds, now),
  };
  const { waitsFor, next } = whatNext(facts);
  const { machineToPass: _decided, ...shown } = facts;
  return {
    plan: operator.system.plan,
    environment: operator.system.outputs.environment ?? null,
    planHash: operator.system.outputs.planHash ?? null,
    at: now.toISOString(),
    ...shown,
    numbersFrom: numbers.source,
    authority: authorityOf(migration.journal),
    tenants: migration.tenants,
    openDrift: openDrift.filter(({ value }) => value.repairedAt === undefined).length,
    relays: readRelays(migration.progress, now),
    queues,
    breaker: breaker?.value ?? null,
    protection: describeProtection(operator.system, facts.phase, machines),
    waitsFor,
    next: operator.command(next),
  };
}

async function readMachine(
  operator: Operator,
  machine: Machine,
  { machines, tenantIds }: MigrationFacts,
): Promise<MachineStatus> {
  const document = machines[machine];
  const run =
    document?.current === undefined
      ? undefined
      : (await operator.documents.get('run', runDocumentId(machine, executionName(document.current.execution))))?.value;
  const { current, last, passed = {} } = document ?? {};
  return {
    machine,
    phase: machine === 'rollback' ? null : PHASE_OF[machine as ForwardMachine],
    passed:
      tenantIds.length === 0
        ? Object.keys(passed).length
        : tenantIds.filter((tenant) => passed[tenant] !== undefined).length,
    tenants: tenantIds.length,
    running:
      current === undefined
        ? null
        : {
            run: executionName(current.execution),
            step: run?.step ?? null,
            startedAt: current.startedAt,
            dryRun: current.dryRun,
            scope: current.scope,
            notes: run?.steps.at(-1)?.notes ?? [],
          },
    last:
      last === undefined
        ? null
        : { run: executionName(last.execution), outcome: last.outcome, endedAt: last.endedAt, reasons: last.reasons },
  };
}

async function readQueue(operator: Operator, direction: Direction): Promise<QueueStatus> {
  try {
    return { direction, depth: await operator.queues.depth(direction), problem: null };
  } catch (error) {
    return { direction, depth: null, problem: messageOf(error) };
  }
}

/** Progress documents of relays are named `relay/...`. */
export function readRelays(progress: readonly ProgressDocument[], now: Date): readonly RelayStatus[] {
  return progress
    .filter(({ work }) => work === 'relay' || work.startsWith('relay/'))
    .map(({ work, at, state }) => ({ work, at, state, ageMs: Math.max(0, now.getTime() - Date.parse(at)) }));
}

/** Before the first entry of the journal legacy is authoritative (invariant 7). */
function authorityOf(journal: JournalDocument | undefined): StatusPayload['authority'] {
  if (journal === undefined)
    return { n: 0, authoritative: 'legacy', direction: 'forward', at: '', by: '', why: 'nothing has moved it' };
  const { n, authoritative, direction, at, by, why } = journal;
  return { n, authoritative, direction, at, by, why };
}

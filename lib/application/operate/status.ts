/** Where a migration stands, why it waits, and what comes next: one read of the control table and the queues. */
import type { JournalDocument, ProgressDocument } from '../../contracts/documents.ts';
import { DIRECTIONS, type Direction } from '../../domain/direction.ts';
import { type ForwardMachine, MACHINES, type Machine, PHASE_OF } from '../../domain/phase.ts';
import { openIncidents } from '../incidents/incidents.ts';
import { viewApproval } from './approvals.ts';
import { readDriftClocks } from './drift-clock.ts';
import { listPendingApprovals } from './follow-run.ts';
import { machineToPass, phaseOfMigration, useWindows } from './migration-progress.ts';
import { messageOf, type Operator } from './operator.ts';
import { describeProtection } from './protection.ts';
import { type MigrationFacts, readFacts } from './read-facts.ts';
import { isUnknownExecution } from './read-runs.ts';
import { executionName, runDocumentId } from './run-view.ts';
import { readMarks } from './set-marks.ts';
import type { MachineStatus, QueueStatus, RelayStatus, StatusPayload } from './status-payload.ts';
import { whatNext } from './what-next.ts';

export async function readStatus(operator: Operator): Promise<StatusPayload> {
  const now = operator.clock.now();
  const migration = await readFacts(operator);
  const { machines, numbers, tenantIds } = migration;
  const [running, pending, queues, breaker] = await Promise.all([
    Promise.all(MACHINES.map((machine) => readMachine(operator, machine, migration))),
    listPendingApprovals(operator),
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
    drift: readDriftClocks(migration.cycles, migration.differences, numbers, migration.copiedIds, now).clock,
  };
  const { waitsFor, next } = whatNext(facts);
  const incidents = await openIncidents(operator);
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
    openDrift: migration.differences.filter(({ repairedAt }) => repairedAt === undefined).length,
    relays: readRelays(migration.progress, now),
    queues,
    breaker: breaker?.value ?? null,
    protection: describeProtection(operator.system, facts.phase, machines),
    openIncidents: incidents.length,
    waitsFor: [...incidents.map(({ id, says }) => `incident ${id}: ${says}`), ...waitsFor],
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
  const { current: held, last: ended, passed = {} } = document ?? {};
  const stopped = held === undefined ? undefined : await findStopped(operator, held.execution);
  const current = stopped === undefined ? held : undefined;
  const last = stopped ?? ended;
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

/** An execution that was stopped from outside could not free its machine: the next start does, and until then nothing runs. */
async function findStopped(operator: Operator, arn: string) {
  const execution = await operator.workflow.describe(arn).catch((error: unknown) => {
    if (isUnknownExecution(error)) return undefined;
    throw error;
  });
  // One that has just succeeded is about to be on record.
  if (execution === undefined || execution.status === 'running' || execution.status === 'succeeded') return undefined;
  const endedAt = (execution.stoppedAt ?? execution.startedAt).toISOString();
  return {
    execution: arn,
    outcome: 'failed' as const,
    endedAt,
    reasons: [`the execution is ${execution.status}${execution.error === undefined ? '' : `: ${execution.error}`}`],
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

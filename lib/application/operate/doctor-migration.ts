/** Checks of a migration under way: what is stuck, dead, silent or held. */
import { DIRECTIONS } from '../../domain/direction.ts';
import { FLAG_NAMES } from '../../domain/flags.ts';
import { MACHINES } from '../../domain/phase.ts';
import { KEY_INDEXES } from '../install/look-at-key-indexes.ts';
import { readRemoval } from '../machines/rollback/schema-removal.ts';
import type { Check, CheckAnswer } from './doctor-check.ts';
import { readDriftClocks } from './drift-clock.ts';
import { formatSpan } from './format-span.ts';
import { phaseOfMigration, useWindows } from './migration-progress.ts';
import type { Operator } from './operator.ts';
import { describeProtection } from './protection.ts';
import { readFacts } from './read-facts.ts';
import { isUnknownExecution } from './read-runs.ts';
import { executionName } from './run-view.ts';
import { MARKS, readMarks } from './set-marks.ts';
import { readRelays } from './status.ts';

/** The relay is started each minute and writes at least once a run: three missed runs are silence. */
const RELAY_SILENT_AFTER_MS = 3 * 60_000;
/** Numbers in a relay's progress that name events which wait for a person. */
const SET_ASIDE = ['parked', 'dead'] as const;

export function checkMigration(): readonly Check<Operator>[] {
  return [
    {
      name: 'control table',
      run: async ({ documents, system }) =>
        ok(`${system.outputs.controlTable ?? 'table'} answers, ${(await documents.list('tenant')).length} tenants`),
    },
    { name: 'flags', run: checkFlags },
    { name: 'queues', run: checkQueues },
    { name: 'machines', run: checkMachines },
    { name: 'stuck runs', run: checkStuckRuns },
    { name: 'marks', run: checkMarks },
    { name: 'relay', run: checkRelay },
    { name: 'set aside', run: checkSetAside },
    { name: 'reconciliation', run: checkReconciliation },
    { name: 'key indexes', run: checkKeyIndexes },
    { name: 'windows', run: checkWindows },
    { name: 'read breaker', run: checkBreaker },
    { name: 'termination protection', run: checkProtection },
  ];
}

async function checkFlags({ flags }: Operator): Promise<CheckAnswer> {
  const read = await flags.read();
  if (read === undefined)
    return {
      result: 'failed',
      says: 'AppConfig does not answer; what is in effect stays as it is',
      next: 'flags show',
    };
  return ok(
    `version ${read.version}: ${FLAG_NAMES.map((name) => `${name} ${read.flags[name].enabled ? 'enabled' : 'disabled'}`).join(', ')}`,
  );
}

async function checkQueues({ queues }: Operator): Promise<CheckAnswer> {
  const depths = await Promise.all(
    DIRECTIONS.map(async (direction) => ({ direction, ...(await queues.depth(direction)) })),
  );
  const says = depths
    .map(
      ({ direction, waiting, inFlight, dead }) =>
        `${direction}: ${waiting} waiting, ${inFlight} in flight, ${dead} dead`,
    )
    .join('; ');
  return depths.some(({ dead }) => dead > 0) ? { result: 'failed', says, next: 'redrive --dry-run' } : ok(says);
}

async function checkMachines({ workflow }: Operator): Promise<CheckAnswer> {
  await Promise.all(MACHINES.map((machine) => workflow.list(machine, 1)));
  return ok(`${MACHINES.length} state machines answer`);
}

/** The control table says that a run holds the machine, Step Functions says that it has ended: nothing else may start. */
async function checkStuckRuns(operator: Operator): Promise<CheckAnswer> {
  const held = (
    await Promise.all(
      MACHINES.map(async (machine) => ({
        machine,
        current: (await operator.documents.get('machine', machine))?.value.current,
      })),
    )
  ).flatMap(({ machine, current }) => (current === undefined ? [] : [{ machine, current }]));
  const states = await Promise.all(
    held.map(async ({ machine, current }) => ({
      machine,
      current,
      status: await statusOf(operator, current.execution),
    })),
  );
  const stuck = states.filter(({ status }) => status !== 'running');
  if (stuck.length === 0)
    return ok(
      held.length === 0
        ? 'no machine is held'
        : held.map(({ machine, current }) => `${machine} runs ${executionName(current.execution)}`).join(', '),
    );
  const first = stuck[0];
  return {
    result: 'failed',
    says: stuck
      .map(
        ({ machine, current, status }) =>
          `${machine} is held by ${executionName(current.execution)}, which is ${status}`,
      )
      .join('; '),
    next: first === undefined || first.machine === 'rollback' ? 'runs' : `start ${first.machine}`,
  };
}

async function statusOf({ workflow }: Operator, arn: string): Promise<string> {
  try {
    return (await workflow.describe(arn)).status;
  } catch (error) {
    if (isUnknownExecution(error)) return 'unknown to Step Functions';
    throw error;
  }
}

async function checkMarks({ documents }: Operator): Promise<CheckAnswer> {
  const marks = readMarks((await documents.get('control', 'control'))?.value ?? {});
  const set = MARKS.flatMap((name) => {
    const mark = marks[name];
    return mark === null ? [] : [`${name} by ${mark.by} at ${mark.at}: ${mark.why}`];
  });
  const removal = await readRemoval({ documents });
  if (removal?.begun === true)
    return {
      result: 'failed',
      says: ['the schema is being rolled back and is gone from one store', ...set].join('; '),
      next: 'rollback schema',
    };
  if (set.length === 0) return ok('not paused, not halted, delivery is not held');
  return {
    result: 'warning',
    says: set.join('; '),
    next: marks.paused !== null || marks.halted !== null ? 'resume' : 'flags resume-delivery',
  };
}

/** Without one all is right, and every page and chunk of the table sorts all of it. */
async function checkKeyIndexes({ documents }: Operator): Promise<CheckAnswer> {
  const state = (await documents.get('progress', KEY_INDEXES))?.value.state;
  if (state === undefined) return ok('not installed');
  // Written by install/look-at-key-indexes.ts.
  const missing = state.missing as readonly string[];
  if (missing.length === 0) return ok('every table with a text key has its index');
  return { result: 'warning', says: `no index of the key on ${missing.join(', ')}`, next: 'start dual-write' };
}

async function checkRelay(operator: Operator): Promise<CheckAnswer> {
  const { tenants, progress } = await readFacts(operator);
  const relays = readRelays(progress, operator.clock.now());
  if (!tenants.some((tenant) => tenant.on))
    return { result: 'skipped', says: 'no tenant is exposed: there is nothing to relay' };
  const freshest = relays.toSorted((left, right) => left.ageMs - right.ageMs)[0];
  if (freshest === undefined)
    return { result: 'failed', says: 'tenants are exposed and no relay has ever reported', next: 'status' };
  const says = `${freshest.work} reported ${formatSpan(freshest.ageMs)} ago`;
  return freshest.ageMs > RELAY_SILENT_AFTER_MS
    ? { result: 'failed', says: `${says}; it should report each minute`, next: 'status' }
    : ok(says);
}

async function checkSetAside(operator: Operator): Promise<CheckAnswer> {
  const { progress } = await readFacts(operator);
  const counts = readRelays(progress, operator.clock.now()).flatMap(({ work, state }) =>
    SET_ASIDE.flatMap((name) => {
      const count = state[name];
      return typeof count === 'number' && count > 0 ? [`${work}: ${count} ${name}`] : [];
    }),
  );
  return counts.length === 0
    ? ok('no parked and no dead event is reported')
    : { result: 'failed', says: counts.join('; '), next: 'redrive --dry-run' };
}

async function checkReconciliation(operator: Operator): Promise<CheckAnswer> {
  const { copiedIds, cycles, differences, numbers } = await readFacts(operator);
  const now = operator.clock.now();
  const { clock } = readDriftClocks(cycles, differences, numbers, copiedIds, now);
  const isSilent =
    clock.last !== null && now.getTime() - Date.parse(clock.last.endedAt) > 2 * numbers.driftGate.cycleMs;
  if (numbers.reconcileMode === 'count' && !(isSilent && copiedIds.length > 0))
    return {
      result: 'warning',
      says: 'reconcile.mode of the plan is count, which runs no drift clock: phase 3 never passes with it; make it checksum or columns',
      next: 'drift status',
    };
  if (copiedIds.length === 0) return { result: 'skipped', says: 'no tenant is copied: there is nothing to compare' };
  if (clock.last === null)
    return { result: 'warning', says: 'tenants are copied and no cycle is on record', next: 'reconcile --dry-run' };
  const says = `last cycle ended ${clock.last.endedAt}, ${clock.last.drift} of ${clock.last.rows} rows drifted, clean for ${formatSpan(clock.cleanMs)}`;
  if (isSilent) return { result: 'failed', says: `${says}; more than two cycles ago`, next: 'drift status' };
  return clock.last.clean ? ok(says) : { result: 'warning', says, next: 'drift show' };
}

async function checkWindows(operator: Operator): Promise<CheckAnswer> {
  const { machines, numbers } = await readFacts(operator);
  const windows = useWindows(machines, numbers.windows, operator.clock.now());
  const past = windows.filter(({ state }) => state === 'past max');
  if (past.length === 0) return ok('no phase is past its compatibility window');
  return {
    result: 'warning',
    says: past
      .map(({ phase, usedMs, maxMs }) => `${phase}: ${formatSpan(usedMs)} used, at most ${formatSpan(maxMs ?? 0)}`)
      .join('; '),
    next: 'status',
  };
}

async function checkBreaker({ documents }: Operator): Promise<CheckAnswer> {
  const breaker = (await documents.get('breaker', 'target-read'))?.value;
  if (breaker === undefined || breaker.state === 'closed') return ok(`closed, opened ${breaker?.openings ?? 0} times`);
  return {
    result: 'warning',
    says: `${breaker.state} since ${breaker.openedAt ?? 'unknown'}: ${breaker.reason}; legacy answers`,
    next: 'status',
  };
}

async function checkProtection(operator: Operator): Promise<CheckAnswer> {
  const { machines, tenantIds } = await readFacts(operator);
  const { on, shouldBeOn, reason } = describeProtection(
    operator.system,
    phaseOfMigration(machines, tenantIds),
    machines,
  );
  const says = `${on ? 'on' : 'off'}: ${reason}`;
  if (shouldBeOn === null || on === shouldBeOn) return ok(says);
  if (on)
    return {
      result: 'warning',
      says,
      next: `aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name ${operator.system.stacks[0]?.name ?? ''}`,
    };
  return { result: 'warning', says: `off, and should be on: ${reason}`, next: 'status' };
}

function ok(says: string): CheckAnswer {
  return { result: 'ok', says };
}

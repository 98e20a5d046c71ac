/**
 * The way back of dual-write, for the scope's tenants and nobody else (guide phase 2): off, drained, taken back from the target
 * by what the applied log says that Crossfade wrote, verified. Until that is verified the tenants cannot be exposed again.
 */
import type { Run } from '../../../contracts/machine-io.ts';
import { counted } from '../../../domain/counted.ts';
import { evaluateFlag, type Flags } from '../../../domain/flags.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { someTenants } from '../../../domain/some-tenants.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import { FlagsConflict } from '../../../ports/flags.ts';
import { type ClosedEventsRow, closeTenantEvents, countTenantEvents } from '../../../sql/tenants/close-events.ts';
import { FORGET_BEFORE_IMAGES } from '../../../sql/tenants/take-back.ts';
import type { Deps } from '../../deps.ts';
import { removeCapture, unfenceStore } from '../../install/install.ts';
import { dropKeyIndexes } from '../../install/key-index.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { holdOf } from '../../relay/delivery-hold.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { directionInForce } from '../../switch/authority.ts';
import { ERASURE_PREFIX, subjectOf } from '../../tenants/carry-out-wish.ts';
import { mirrorTenants, tenantStates, turnOff } from '../../tenants/exposure.ts';
import {
  countRows,
  explain,
  type Judged,
  judgeTenants,
  REFUSED_VERDICTS,
  TAKE_BACK_START,
  type TakeBackProgress,
  takeBack,
} from '../../tenants/take-back.ts';
import { again, judged, proceed, refuse, type Step } from '../step.ts';

/** Milliseconds that one call works before it answers again. */
const WORK_MS = 30_000;
/** Seconds until flags that could not be changed are looked at again. */
const FLAG_WAIT_SECONDS = 15;

export const closeTenants: Step = async (deps, run) => {
  if ((await directionInForce(deps)) === 'reverse') {
    return refuse([
      `the target is authoritative; dual-write cannot be undone before: npx crossfade rollback switchover --plan ${run.plan}`,
    ]);
  }
  const states = await tenantStates(deps, 'forward');
  const advanced = states.filter(
    (state) => run.scope.includes(state.tenant) && state.is_on && state.stage !== 'dualwrite',
  );
  if (advanced.length > 0) {
    return refuse([
      `${advanced.map((state) => `${state.tenant} is in stage ${state.stage}`).join(', ')}; return their reads first: npx crossfade rollback cutover --plan ${run.plan}`,
    ]);
  }
  const others = states.filter(
    (state) => state.is_on && state.tenant !== NO_TENANT && !run.scope.includes(state.tenant),
  );
  const going = others.length === 0 ? [...new Set([...run.scope, NO_TENANT])] : run.scope;
  if (run.dryRun) return proceed({ notes: [`would turn off ${going.join(', ')}`] });
  const at = deps.clock.now().toISOString();
  // The bar comes first: a crash behind it leaves a tenant that nobody can expose, and not one that is exposed half way.
  for (const tenant of going) {
    await deps.documents.put(
      'progress',
      `${ERASURE_PREFIX}${tenant}`,
      { work: `${ERASURE_PREFIX}${tenant}`, state: { execution: run.execution }, at },
      'any',
    );
  }
  for (const tenant of going)
    await turnOff(deps, 'forward', tenant, run.scope.includes(tenant) ? 'rolled back' : 'nobody is on any more');
  await mirrorTenants(deps, 'forward');
  const open = await withdrawWish(await loadMigration(deps), run.scope);
  return proceed({
    notes: [`turned off: ${going.join(', ')}`, ...(open === null ? [] : [`${open}; it is withdrawn before the end`])],
  });
};

export const drainTenants: Step = async (deps, run) => {
  const source = deps.databases.open('legacy', 'relay');
  if (run.dryRun) {
    const [left] = await source.query<{ undelivered: string }>(countTenantEvents(run.scope));
    return proceed({ notes: [`would end ${left?.undelivered ?? 0} undelivered events`] });
  }
  const [answer] = await source.query<ClosedEventsRow>(closeTenantEvents(await goingTenants(deps, run.scope)));
  const { closed = '0', on_their_way: left = '0', set_aside: aside = '0' } = answer ?? {};
  // What is left belongs to a row that moved to or from a tenant that is on: the relay delivers it.
  if (Number(left) > 0) {
    await ensureRelay(deps, 'forward');
    const held = holdOf((await deps.documents.get('control', 'control'))?.value, deps.clock.now().getTime());
    return again(2, {
      notes: [
        `${counted(Number(left), 'event')} of rows that moved are still on their way`,
        ...(held === undefined ? [] : [`delivery is held by ${held.by}: ${held.why}`]),
      ],
    });
  }
  return proceed({
    notes: [
      `the queues of ${someTenants(run.scope)} are proved empty: ${counted(Number(closed), 'event')} ended as suppressed, and their claim checks with them`,
      ...(aside === '0'
        ? []
        : [`${aside} events that were set aside belong to rows that moved to other tenants; they stay`]),
    ],
  });
};

export const eraseTenants: Step = async (deps, run, data) => {
  const migration = await loadMigration(deps);
  const tenants = await goingTenants(deps, run.scope);
  if (run.dryRun) return proceed({ notes: forecastNotes(await judgeTenants(migration, tenants, true)) });
  const on = await turnedOn(deps, run);
  if (on.length > 0) return refuse([`${on.join(', ')} were turned on meanwhile; start the rollback again`]);
  const until = new Date(deps.clock.now().getTime() + WORK_MS);
  const { done, progress } = await takeBack(migration, tenants, batchOf(run), progressOf(data), until);
  const notes = [
    `erased ${counted(progress.erased, 'row')} of ${someTenants(tenants)} from the target, restored ${progress.restored} that were there before`,
  ];
  return done ? proceed({ notes }) : again(0, { data: progress, notes });
};

export const verifyErased: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  const migration = await loadMigration(deps);
  const tenants = await goingTenants(deps, run.scope);
  const found = await judgeTenants(migration, tenants, false);
  const on = await turnedOn(deps, run);
  const now = deps.clock.now();
  const gateOf = (gate: string, value: number, unit: string, source: string, details: readonly string[] = []) =>
    judgeGate({ gate, value, threshold: 0, comparison: 'equals', unit, source, measuredAt: now, details }, now);
  const gates = [
    gateOf(
      'erased',
      countRows(found, ['erase', 'restore']) + found.lost,
      'rows',
      'applied log and rows of the target',
      [...linesOf(found, ['erase', 'restore']), `${found.lost} rows that were there before are missing`],
    ),
    gateOf('rows-refused', countRows(found, REFUSED_VERDICTS), 'rows', 'applied log and foreign writes of the target', [
      ...found.named,
      'they are left as they are; put them right, close their foreign writes, and start the rollback again',
    ]),
    gateOf('tenants-off', on.length, 'tenants', 'crossfade.tenant_state', on),
  ];
  const kept = linesOf(found, ['needed']);
  if (!gates.every((gate) => gate.pass)) return judged(gates, { notes: kept });
  const open = await withdrawWish(migration, run.scope);
  // Without the bar the controller would carry the old wish out again.
  if (open !== null) return again(FLAG_WAIT_SECONDS, { notes: [`${open}; the tenants stay barred until it is`] });
  const nobody = (await tenantStates(deps, 'forward')).every((state) => !state.is_on);
  if (nobody) {
    await deps.databases.open('target', 'backfill').query(FORGET_BEFORE_IMAGES);
    await removeCapture(migration, 'forward');
    await dropKeyIndexes(migration);
    await unfenceStore(migration, 'target');
  }
  for (const tenant of tenants) await deps.documents.remove('progress', `${ERASURE_PREFIX}${tenant}`);
  return judged(gates, {
    notes: [
      'legacy is untouched and authoritative',
      ...kept,
      ...(nobody ? ['nobody is exposed any more: capture, its indexes and the fence of the target are removed'] : []),
    ],
  });
};

/** Shared rows go only when nobody needs them any more. */
async function goingTenants(deps: Deps, scope: readonly string[]): Promise<readonly string[]> {
  const shared = (await tenantStates(deps, 'forward')).find((state) => state.tenant === NO_TENANT);
  const own = scope.filter((tenant) => tenant !== NO_TENANT);
  const isGoing = shared?.is_on !== true || scope.includes(NO_TENANT);
  return isGoing ? [...own, NO_TENANT] : own;
}

async function turnedOn(deps: Deps, run: Run): Promise<readonly string[]> {
  const states = await tenantStates(deps, 'forward');
  return states.filter((state) => state.is_on && run.scope.includes(state.tenant)).map((state) => state.tenant);
}

function batchOf(run: Run): string {
  return `rollback-${run.execution.split(':').at(-1)}`;
}

/** An earlier answer of the same step. */
function progressOf(data: unknown): TakeBackProgress {
  return typeof data === 'object' && data !== null && 'pass' in data ? (data as TakeBackProgress) : TAKE_BACK_START;
}

function forecastNotes(found: Judged): readonly string[] {
  const lines = [
    ...found.counts
      .filter(({ verdict }) => verdict === 'erase')
      .map(({ table, tenant, rows }) => `${table}: would erase ${counted(rows, 'row')} of ${tenant}`),
    ...found.counts
      .filter(({ verdict }) => verdict === 'restore')
      .map(({ table, tenant, rows }) => `${table}: would restore ${counted(rows, 'row')} of ${tenant}`),
    ...(found.lost === 0 ? [] : [`would put back ${found.lost} rows that were there before`]),
    ...linesOf(found, ['before', 'needed', ...REFUSED_VERDICTS]),
    ...found.named,
  ];
  return lines.length === 0 ? ['the target holds no rows of the scope'] : lines;
}

function linesOf({ counts }: Judged, verdicts: readonly string[]): readonly string[] {
  return counts
    .filter(({ verdict }) => verdicts.includes(verdict))
    .map(
      ({ table, tenant, verdict, rows }) =>
        `${table}: ${counted(rows, 'row')} of ${tenant} left: ${explain(verdict, null)}`,
    );
}

/** @returns why the wish still stands, or null. Flags that cannot be changed now do not hold up the way back. */
async function withdrawWish(migration: Migration, scope: readonly string[]): Promise<string | null> {
  const { deps } = migration;
  const wish = await deps.flags.read();
  if (wish === undefined) return 'the flags cannot be read, so the wish is not withdrawn yet';
  const flags = withoutTenants(migration, wish.flags, scope);
  if (flags === null) return null;
  try {
    await deps.flags.publish(flags, wish.version, `rollback of ${someTenants(scope)}`);
    return null;
  } catch (error) {
    if (!(error instanceof FlagsConflict)) throw error;
    return `the wish is not withdrawn yet: ${error.message}`;
  }
}

/** Whoever is wished for by region, service or percentage is excepted by name. Null: nobody of the scope is wished for. */
function withoutTenants(migration: Migration, flags: Flags, scope: readonly string[]): Flags | null {
  const flag = flags.dual_write;
  const named = { ...flag, tenants: flag.tenants.filter((tenant) => !scope.includes(tenant)) };
  const wished = scope.filter((tenant) => evaluateFlag({ ...named, enabled: true }, subjectOf(migration, tenant)));
  if (named.tenants.length === flag.tenants.length && wished.length === 0) return null;
  return { ...flags, dual_write: { ...named, except: [...new Set([...flag.except, ...wished])] } };
}

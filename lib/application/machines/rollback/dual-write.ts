/**
 * The way back of dual-write, for the scope's tenants and nobody else (guide phase 2): off, drained, erased from the target by
 * what Crossfade wrote, verified. Until that is verified the tenants cannot be exposed again.
 */
import { judgeGate } from '../../../domain/gate.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import { closeTenantEvents, countTenantEvents } from '../../../sql/tenants/close-events.ts';
import { countTenantRows, type TenantRowsRow } from '../../../sql/tenants/count-rows.ts';
import { type ErasedRow, eraseTenantRows } from '../../../sql/tenants/erase-rows.ts';
import type { Deps } from '../../deps.ts';
import { removeCapture, unfenceStore } from '../../install/install.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { directionInForce } from '../../switch/authority.ts';
import { ERASURE_PREFIX } from '../../tenants/carry-out-wish.ts';
import { mirrorTenants, tenantStates, turnOff } from '../../tenants/exposure.ts';
import { again, judged, proceed, refuse, type Step } from '../step.ts';

/** Rows removed by one statement. */
const ERASE_ROWS = 1_000;
/** Milliseconds that one call works before it answers again. */
const WORK_MS = 30_000;

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
  if (run.dryRun) return proceed({ notes: [`would turn off ${run.scope.join(', ')}`] });
  const at = deps.clock.now().toISOString();
  for (const tenant of run.scope) {
    await deps.documents.put(
      'progress',
      `${ERASURE_PREFIX}${tenant}`,
      { work: `${ERASURE_PREFIX}${tenant}`, state: { execution: run.execution }, at },
      'any',
    );
  }
  await withdrawWish(deps, run.scope);
  for (const tenant of run.scope) await turnOff(deps, 'forward', tenant, 'rolled back');
  const others = states.filter(
    (state) => state.is_on && state.tenant !== NO_TENANT && !run.scope.includes(state.tenant),
  );
  if (others.length === 0) await turnOff(deps, 'forward', NO_TENANT, 'nobody is on any more');
  await mirrorTenants(deps, 'forward');
  return proceed({ notes: [`turned off: ${run.scope.join(', ')}`] });
};

export const drainTenants: Step = async (deps, run) => {
  const source = deps.databases.open('legacy', 'relay');
  if (run.dryRun) {
    const [left] = await source.query<{ undelivered: string }>(countTenantEvents(run.scope));
    return proceed({ notes: [`would end ${left?.undelivered ?? 0} undelivered events`] });
  }
  const [closed] = await source.query<{ closed: string }>(closeTenantEvents(run.scope));
  const [left] = await source.query<{ undelivered: string }>(countTenantEvents(run.scope));
  // What is left belongs to a row that moved to a tenant that is on: the relay delivers it.
  if (Number(left?.undelivered) > 0) {
    await ensureRelay(deps, 'forward');
    return again(2, { notes: [`${left?.undelivered} events are still on their way`] });
  }
  return proceed({
    notes: [
      `the queues of ${run.scope.join(', ')} are proved empty; ${closed?.closed ?? 0} events ended as suppressed`,
    ],
  });
};

export const eraseTenants: Step = async (deps, run) => {
  const migration = await loadMigration(deps);
  if (run.dryRun) return proceed({ notes: await rowsOnTarget(migration, run.scope, 'would be erased') });
  const tenants = await erasable(deps, run.scope);
  const store = deps.databases.open('target', 'backfill');
  const until = deps.clock.now().getTime() + WORK_MS;
  let erased = 0;
  // Children first, because their tenant is found through their parents.
  for (const table of migration.tables.toReversed()) {
    for (const tenant of tenants) {
      for (let last = ERASE_ROWS; last === ERASE_ROWS; ) {
        const [row] = await store.query<ErasedRow>(eraseTenantRows(table, migration.byName, tenant, ERASE_ROWS));
        last = Number(row?.erased ?? 0);
        erased += last;
        if (deps.clock.now().getTime() > until) return again(0, { notes: [`erased ${erased} rows; going on`] });
      }
    }
  }
  return proceed({ notes: [`erased ${erased} rows of ${tenants.join(', ')} from the target`] });
};

export const verifyErased: Step = async (deps, run) => {
  const migration = await loadMigration(deps);
  if (run.dryRun) return proceed();
  const tenants = await erasable(deps, run.scope);
  const left = await rowsOnTarget(migration, tenants, 'left, which Crossfade never wrote');
  const states = await tenantStates(deps, 'forward');
  const on = states.filter((state) => state.is_on && run.scope.includes(state.tenant));
  const now = deps.clock.now();
  const gates = [
    judgeGate(
      {
        gate: 'erased',
        value: left.length,
        threshold: 0,
        comparison: 'equals',
        unit: 'tables with rows',
        source: 'tables of the target',
        measuredAt: now,
        details: left,
      },
      now,
    ),
    judgeGate(
      {
        gate: 'tenants-off',
        value: on.length,
        threshold: 0,
        comparison: 'equals',
        unit: 'tenants',
        source: 'crossfade.tenant_state',
        measuredAt: now,
      },
      now,
    ),
  ];
  if (gates.every((gate) => gate.pass)) {
    for (const tenant of run.scope) await deps.documents.remove('progress', `${ERASURE_PREFIX}${tenant}`);
  }
  const nobody = states.every((state) => !state.is_on);
  if (nobody && gates.every((gate) => gate.pass)) {
    await removeCapture(migration, 'forward');
    await unfenceStore(migration, 'target');
  }
  return judged(gates, {
    notes: [
      'legacy is untouched and authoritative',
      ...(nobody ? ['nobody is exposed any more: capture and the fence of the target are removed'] : []),
    ],
  });
};

/** Shared rows go only when nobody needs them any more. */
async function erasable(deps: Deps, scope: readonly string[]): Promise<readonly string[]> {
  const shared = (await tenantStates(deps, 'forward')).find((state) => state.tenant === NO_TENANT);
  const own = scope.filter((tenant) => tenant !== NO_TENANT);
  return shared?.is_on === true ? own : [...own, NO_TENANT];
}

async function rowsOnTarget(
  migration: Migration,
  tenants: readonly string[],
  what: string,
): Promise<readonly string[]> {
  const store = migration.deps.databases.open('target', 'compare');
  const lines: string[] = [];
  for (const table of migration.tables) {
    for (const { tenant, rows } of await store.query<TenantRowsRow>(
      countTenantRows(table, migration.byName, tenants),
    )) {
      lines.push(`${table.name}: ${rows} rows of ${tenant} ${what}`);
    }
  }
  return lines;
}

async function withdrawWish(deps: Deps, scope: readonly string[]): Promise<void> {
  const wish = await deps.flags.read();
  if (wish === undefined) throw new RangeError('the flags cannot be read, so the wish cannot be withdrawn; try again');
  const flag = wish.flags.dual_write;
  const tenants = flag.tenants.filter((tenant) => !scope.includes(tenant));
  const except = [...new Set([...flag.except, ...(flag.percent > 0 ? scope : [])])];
  if (tenants.length === flag.tenants.length && except.length === flag.except.length) return;
  await deps.flags.publish(
    { ...wish.flags, dual_write: { ...flag, tenants, except } },
    wish.version,
    `rollback of ${scope.join(', ')}`,
  );
}

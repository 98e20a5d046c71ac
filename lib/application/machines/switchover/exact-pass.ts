/** A full exact pass under live traffic, just before the fence: a verification of days ago gives false comfort (prior art, trap 31). */
import { judgeGate } from '../../../domain/gate.ts';
import { loadMigration } from '../../migration.ts';
import { comparePass } from '../../reconcile/compare-pass.ts';
import { planComparison } from '../../reconcile/comparison.ts';
import { directionInForce } from '../../switch/authority.ts';
import { proveEqual } from '../../switch/prove-equal.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { again, judged, proceed, type Step } from '../step.ts';

/** Milliseconds that one call compares before it answers again. */
const CALL_MS = 40_000;
const PASS_ID = 'switchover/exact-pass';

export const exactPass: Step = async (deps, run, data) => {
  if ((await directionInForce(deps)) === 'reverse') return proceed({ notes: ['authority has moved already'] });
  const migration = await loadMigration(deps);
  const since = beganAt(data) ?? deps.clock.now().toISOString();
  const tenants = (await tenantStates(deps, 'forward'))
    .filter((state) => state.is_on && state.copied)
    .map((state) => state.tenant);
  const comparison = await planComparison(migration, 'forward', {
    mode: 'checksum',
    form: 'exact',
    tenants,
    tables: [],
  });
  const id = `switchover-${run.execution.split(':').at(-1)}`;
  const result = await comparePass(migration, comparison, {
    id,
    until: new Date(deps.clock.now().getTime() + CALL_MS),
  });
  if (result === undefined) return again(0, { data: { since }, notes: ['compares every row exactly'] });
  await deps.documents.put(
    'progress',
    PASS_ID,
    { work: PASS_ID, state: { since, execution: run.execution }, at: deps.clock.now().toISOString() },
    'any',
  );
  const gate = judgeGate(
    {
      gate: 'exact-pass',
      value: result.drift.length + result.unsettled,
      threshold: 0,
      comparison: 'equals',
      unit: 'rows',
      source: `exact digests of ${result.rows} rows in ${result.tables.length} tables of both stores`,
      measuredAt: new Date(since),
      maxAgeMs: deps.plan.switchover.exactPassMaxAge,
      details: result.drift
        .slice(0, 20)
        .map(
          ({ table, rowKey, kind, columns }) =>
            `${table} ${rowKey} is ${kind} ${columns.join(', ')}; run: npx crossfade start reconcile --repair`,
        ),
    },
    deps.clock.now(),
  );
  return judged([gate], { notes: [`${result.rows} rows compared exactly, ${result.inFlight} in flight`] });
};

export const proveStoresEqual: Step = async (deps, run) => {
  if (run.dryRun) return proceed({ notes: ['would compare the rows touched since the exact pass, and count all'] });
  if ((await directionInForce(deps)) === 'reverse') return proceed({ notes: ['authority has moved already'] });
  const pass = await deps.documents.get('progress', PASS_ID);
  return judged(
    await proveEqual(await loadMigration(deps), 'forward', String(pass?.value.state.since ?? run.startedAt)),
  );
};

function beganAt(data: unknown): string | undefined {
  return typeof data === 'object' && data !== null && 'since' in data && typeof data.since === 'string'
    ? data.since
    : undefined;
}

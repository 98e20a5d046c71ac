/** A full exact pass under live traffic, just before the fence: a verification of days ago gives false comfort (prior art, trap 31). */
import type { Run } from '../../../contracts/machine-io.ts';
import { counted } from '../../../domain/counted.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { currentSnapshot, type SnapshotRow } from '../../../sql/source/snapshot.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration } from '../../migration.ts';
import { comparePass } from '../../reconcile/compare-pass.ts';
import { planComparison } from '../../reconcile/comparison.ts';
import { type Mark, takeMark } from '../../reconcile/cycle-marks.ts';
import { reachOf } from '../../reconcile/scope-of.ts';
import { directionInForce } from '../../switch/authority.ts';
import { proveEqual, type Unproved } from '../../switch/prove-equal.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { again, judged, proceed, type Step } from '../step.ts';

/** Milliseconds that one call compares before it answers again. */
const CALL_MS = 40_000;
/** Until the relay has caught up. */
const WAIT_SECONDS = 15;
const PASS_ID = 'switchover/exact-pass';

export const exactPass: Step = async (deps, run) => {
  if ((await directionInForce(deps)) === 'reverse') return proceed({ notes: ['authority has moved already'] });
  const migration = await loadMigration(deps);
  const id = passIdOf(run);
  const mark = (await storedMark(deps, id)) ?? (await takeAndStoreMark(deps, id));
  if (mark === undefined)
    return again(WAIT_SECONDS, { notes: ['more rows wait for delivery than a proof can look at one by one'] });
  const tenants = (await tenantStates(deps, 'forward'))
    .filter((state) => state.is_on && state.copied)
    .map((state) => state.tenant);
  const comparison = await planComparison(migration, 'forward', {
    mode: 'checksum',
    form: 'exact',
    tenants,
    tables: [],
  });
  const result = await comparePass(migration, comparison, {
    id,
    until: new Date(deps.clock.now().getTime() + CALL_MS),
  });
  if (result === undefined) return again(0, { notes: ['compares every row exactly'] });
  const waiting = result.waiting.map(({ table, rowKey }) => [table, rowKey] as const);
  await deps.objects.put(waitingKey(id), JSON.stringify(waiting), 'application/json');
  await deps.documents.put(
    'progress',
    PASS_ID,
    { work: PASS_ID, state: { pass: id, execution: run.execution }, at: deps.clock.now().toISOString() },
    'any',
  );
  const gate = judgeGate(
    {
      gate: 'exact-pass',
      value: result.drift.length + result.unsettled,
      threshold: 0,
      comparison: 'equals',
      unit: 'rows',
      source: `exact digests of ${counted(result.rows, 'row')} in ${counted(result.tables.length, 'table')} of both stores`,
      measuredAt: new Date(mark.takenAt),
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
  return judged([gate], { notes: [`${counted(result.rows, 'row')} compared exactly, ${result.inFlight} in flight`] });
};

export const proveStoresEqual: Step = async (deps, run) => {
  if (run.dryRun) return proceed({ notes: ['would compare the rows touched since the exact pass, and count all'] });
  if ((await directionInForce(deps)) === 'reverse') return proceed({ notes: ['authority has moved already'] });
  return judged(await proveEqual(await loadMigration(deps), 'forward', await unprovedSince(deps)));
};

/** What the pass may not have seen as it is now: a transaction that was open then, an event that had not ended, a row in flight. */
async function unprovedSince(deps: Deps): Promise<Unproved> {
  const pass = String((await deps.documents.get('progress', PASS_ID))?.value.state.pass);
  const mark = await storedMark(deps, pass);
  const waiting = await deps.objects.get(waitingKey(pass));
  if (mark === undefined || waiting === undefined)
    throw new RangeError(`what the exact pass ${pass} saw is not in the bucket; run: npx crossfade start switchover`);
  const [taken] = await deps.databases.open('legacy', 'compare').query<SnapshotRow>(currentSnapshot);
  if (taken?.epoch !== mark.epoch)
    throw new RangeError(
      `legacy was restored since the exact pass: its epoch was ${mark.epoch} and is ${taken?.epoch}; run: npx crossfade start switchover`,
    );
  // Where sessions are hidden nobody knows how long transactions ran: every event that is kept is looked at.
  const since = mark.oldestMs === null ? new Date(0).toISOString() : reachOf([mark]);
  // Written above by the same code.
  return { reach: { since, snapshot: mark.snapshot }, keys: [...(mark.open ?? []), ...JSON.parse(waiting)] };
}

async function storedMark({ objects }: Deps, pass: string): Promise<Mark | undefined> {
  const body = await objects.get(markKey(pass));
  // Written below by the same code.
  return body === undefined ? undefined : (JSON.parse(body) as Mark);
}

/** Before the pass reads anything. Undefined while more is on its way than a mark remembers. */
async function takeAndStoreMark(deps: Deps, pass: string): Promise<Mark | undefined> {
  const mark = await takeMark(deps, 'forward');
  if (mark.open === null) return undefined;
  await deps.objects.put(markKey(pass), JSON.stringify(mark), 'application/json');
  return mark;
}

const passIdOf = ({ execution }: Run): string => `switchover-${execution.split(':').at(-1)}`;
const markKey = (pass: string): string => `passes/${pass}.mark.json`;
const waitingKey = (pass: string): string => `passes/${pass}.waiting.json`;

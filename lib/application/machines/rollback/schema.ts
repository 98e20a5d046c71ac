/**
 * The way back of everything (guide phase 3: past the threshold halt the migration and roll the schema back): when the tenants are
 * taken back, what Crossfade made in both stores is listed, a person approves that list, and no more than it is dropped. Tables
 * and rows of applications stay. Legacy goes first: without it nobody can be turned on.
 */
import type { Run } from '../../../contracts/machine-io.ts';
import { STORES, type StoreName, sourceOf } from '../../../domain/direction.ts';
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import { FORWARD_MACHINES } from '../../../domain/phase.ts';
import { BACKFILL_CONTROL } from '../../backfill/control.ts';
import type { Deps } from '../../deps.ts';
import { type Approved, dropApproved, hasSchema, listMade, type Made, objectionsTo } from '../../install/made.ts';
import { PLAN_DOCUMENT } from '../../operate/deployed-plan.ts';
import { directionInForce } from '../../switch/authority.ts';
import { exposedTenants } from '../baseline/verify-single-write.ts';
import { forgetPassed } from '../finish.ts';
import { again, judged, proceed, refuse, type Step } from '../step.ts';
import { forgetSchema, readRemoval, removalHash, type SchemaRemoval, writeRemoval } from './schema-removal.ts';

const LOOK_SECONDS = 5;
/** Objects of a store that are named one by one in the run; the approval is for all of them. */
const MAX_NOTES = 300;
const ANEW = 'the list is made and approved anew; run: npx crossfade rollback schema';

/** Answers `data.takeBack`: whether both stores can still tell what Crossfade wrote. */
export const surveySchema: Step = async (deps) => {
  const missing = await withoutSchema(deps);
  return judged([await authorityGate(deps)], {
    data: { takeBack: missing.length === 0 },
    notes: missing.map((store) => `${store} has no schema crossfade: nothing is taken back`),
  });
};

/** Answers `data.objects`: how many there are to be approved. */
export const listSchema: Step = async (deps, run) => {
  const made = await listBoth(deps);
  const gates = run.dryRun ? [foreignGate(deps, made)] : [await tenantsGate(deps), foreignGate(deps, made)];
  const notes = STORES.flatMap((store) => notesOf(store, made[store], run.dryRun));
  const verdict = judged(gates, { notes });
  if (!verdict.proceed) return verdict;
  // Also when nobody approves the list: the tenants are taken back all the same.
  if (!run.dryRun) await forgetPassed(deps, 'dual-write', run.scope);
  const count = STORES.reduce((sum, store) => sum + made[store].lines.length, 0);
  if (!run.dryRun && count > 0) {
    const before = await readRemoval(deps);
    const isWhole = (await withoutSchema(deps)).length === 0;
    // One that died before its first transaction has begun nothing.
    const begun = before?.begun === true && !isWhole;
    const objects = { legacy: made.legacy.lines, target: made.target.lines };
    const takenBack = isWhole || (begun && before.takenBack);
    await writeRemoval(deps, { execution: run.execution, objects, begun, takenBack });
  }
  return { ...verdict, data: { objects: count } };
};

export const dropSchema: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  const removal = await readRemoval(deps);
  if (removal === undefined || removal.execution !== run.execution)
    return refuse([`what this run listed is not on record any more; run: npx crossfade rollback schema`]);
  const approval = await approvalOf(deps, run, removal);
  if (approval === undefined)
    return refuse(['nobody has approved this list of objects; run: npx crossfade rollback schema']);
  const authority = await authorityGate(deps);
  if (!authority.pass) return judged([authority]);
  const busy = await runningMachines(deps);
  if (busy.length > 0)
    return again(LOOK_SECONDS, { notes: [`waits for ${busy.join(', ')} to end; end them with npx crossfade halt`] });

  const approvedIn = (store: StoreName): Approved => ({ lines: removal.objects[store], mayBeOn: !removal.takenBack });
  // Looked at once more in each transaction; here, so that neither store is touched where one cannot go.
  const made = await listBoth(deps);
  const objections = STORES.flatMap((store) => objectionsTo(made[store], store, approvedIn(store)));
  if (objections.length > 0) return refuse([...objections, ANEW]);
  for (const [index, store] of STORES.entries()) {
    await writeRemoval(deps, { ...removal, begun: true });
    const refusals = await dropApproved(deps, store, approvedIn(store));
    if (refusals.length === 0) continue;
    // Nothing was dropped yet: everything may go on as before. Half way, only forward.
    if (index === 0) await writeRemoval(deps, removal);
    return refuse([...refusals, ANEW]);
  }
  return proceed({
    notes: STORES.map(
      (store) => `${store}: ${removal.objects[store].length} objects dropped, as ${approval.by} approved`,
    ),
  });
};

export const verifySchema: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  const made = await listBoth(deps);
  const left = STORES.flatMap((store) => made[store].lines.map((line) => `${store} has ${line}`));
  const now = deps.clock.now();
  const gone = judgeGate(
    {
      gate: 'schema-gone',
      value: left.length,
      threshold: 0,
      comparison: 'equals',
      unit: 'objects',
      source: 'catalogues of both stores',
      measuredAt: now,
      details: left,
    },
    now,
  );
  if (gone.pass) await forgetSchema(deps, [PLAN_DOCUMENT, BACKFILL_CONTROL]);
  return judged([gone], {
    notes: [
      'nothing that Crossfade made is left in either store; the migration begins anew with npx crossfade start baseline',
    ],
  });
};

async function listBoth(deps: Deps): Promise<Readonly<Record<StoreName, Made>>> {
  return { legacy: await listMade(deps, 'legacy'), target: await listMade(deps, 'target') };
}

function notesOf(store: StoreName, { lines }: Made, dryRun: boolean): readonly string[] {
  if (lines.length === 0) return [`${store}: nothing of Crossfade's making`];
  const more = lines.length - MAX_NOTES;
  return [
    `${store}: ${lines.length} objects ${dryRun ? 'would be dropped' : 'are to be dropped'}`,
    ...lines.slice(0, MAX_NOTES).map((line) => `${store}: ${line}`),
    ...(more > 0 ? [`${store}: and ${more} more`] : []),
  ];
}

async function withoutSchema(deps: Deps): Promise<readonly StoreName[]> {
  const has = await Promise.all(STORES.map((store) => hasSchema(deps, store)));
  return STORES.filter((_, index) => has[index] === false);
}

/** Before switchover only: afterwards the schema holds what legacy does not have yet. */
async function authorityGate(deps: Deps): Promise<GateDecision> {
  const now = deps.clock.now();
  return judgeGate(
    {
      gate: 'legacy-authoritative',
      value: sourceOf(await directionInForce(deps)),
      threshold: 'legacy',
      comparison: 'equals',
      source: 'journal',
      measuredAt: now,
      details: ['go back over the switchover first; run: npx crossfade rollback switchover'],
    },
    now,
  );
}

async function tenantsGate(deps: Deps): Promise<GateDecision> {
  const on: string[] = [];
  // Where a store has lost the schema nobody can be turned off any more; the question says so.
  if ((await withoutSchema(deps)).length === 0)
    for (const store of STORES) on.push(...(await exposedTenants(deps, store)));
  return countGate(deps, 'tenants-off', on, 'tenants', 'crossfade.tenant_state of both stores', [
    'run: npx crossfade rollback dual-write',
  ]);
}

function foreignGate(deps: Deps, made: Readonly<Record<StoreName, Made>>): GateDecision {
  const foreign = STORES.flatMap((store) => made[store].foreign.map((object) => `${store}: ${object}`));
  return countGate(deps, 'foreign-objects', foreign, 'objects', 'pg_depend of both stores', [
    'they are in the schema crossfade or hang on what is in it, and are not Crossfade’s: move or drop them, then start again',
  ]);
}

function countGate(
  deps: Deps,
  gate: string,
  found: readonly string[],
  unit: string,
  source: string,
  advice: readonly string[],
): GateDecision {
  const now = deps.clock.now();
  const value = found.length;
  const details = [...found, ...advice];
  return judgeGate({ gate, value, threshold: 0, comparison: 'equals', unit, source, measuredAt: now, details }, now);
}

/** The decision itself, not only that the machine was told to go on. */
async function approvalOf(deps: Deps, run: Run, removal: SchemaRemoval) {
  const hash = removalHash(removal);
  return (await deps.documents.list('approval'))
    .map(({ value }) => value)
    .filter(({ execution, evidenceHash }) => execution === run.execution && evidenceHash === hash)
    .map(({ decision }) => decision)
    .find((decision) => decision?.approved === true);
}

/** What works with the schema at this moment. One that was stopped half way left its mark behind and works no more. */
async function runningMachines({ documents, workflow }: Deps): Promise<readonly string[]> {
  const found: string[] = [];
  for (const machine of FORWARD_MACHINES) {
    const current = (await documents.get('machine', machine))?.value.current;
    if (current !== undefined && (await workflow.describe(current.execution)).status === 'running') found.push(machine);
  }
  return found;
}

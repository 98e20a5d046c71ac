/** A cycle in one process, without a machine: the steps of the machine themselves, as a dry run, so that no scope means anything else here. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { sourceOf } from '../../domain/direction.ts';
import type { Deps } from '../deps.ts';
import { loadMigration } from '../migration.ts';
import { directionInForce } from '../switch/authority.ts';
import { allTenants } from '../tenants/all-tenants.ts';
import { compareChunks } from './compare-chunks.ts';
import { type ChunkItem, chunksKey, readCycle, readSettling } from './cycle-store.ts';
import { planChunks } from './plan-chunks.ts';
import { cycleData, settle } from './settle.ts';
import type { DriftRow } from './settle-round.ts';

export type HereWish = Pick<Run, 'mode' | 'tables' | 'limit' | 'scopeKind' | 'windowMs' | 'keys'> & {
  /** Empty: all tenants. */
  readonly tenants: readonly string[];
};

export interface HerePayload {
  readonly outcome: 'passed' | 'differences' | 'refused';
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
  readonly tables: readonly {
    readonly table: string;
    readonly rows: number;
    readonly chunks: number;
    readonly leftOut: number;
  }[];
  readonly rows: number;
  /** Keys and names of columns, never values. */
  readonly drift: readonly DriftRow[];
  readonly inFlight: number;
  readonly unsettled: number;
  readonly unread: number;
}

/** Items compared at once: more would only wait for each other in the stores. */
const AT_ONCE = 3;

/** Reads only. What the deps' bucket and documents hold is of this call alone. */
export async function compareHere(deps: Deps, wish: HereWish, say: (text: string) => void): Promise<HerePayload> {
  const { tenants, ...asked } = wish;
  const migration = await loadMigration(deps);
  const scope = tenants.length > 0 ? tenants : await allTenants(migration, sourceOf(await directionInForce(deps)));
  const run: Run = {
    ...asked,
    execution: 'here',
    machine: 'reconcile',
    plan: deps.plan.name,
    scope,
    dryRun: true,
    // A dry run that says nothing is a few rows; here nothing else would be.
    scopeKind: wish.scopeKind ?? (isOpen(wish) ? 'full' : null),
    from: null,
    repair: false,
    requestedBy: 'here',
    startedAt: deps.clock.now().toISOString(),
  };
  const planned = await toEnd(deps, (data) => planChunks(deps, run, data), null);
  if (!planned.proceed) return { ...NOTHING, outcome: 'refused', reasons: planned.reasons };
  const { cycle: id } = cycleData(planned.data);
  const items = JSON.parse((await deps.objects.get(chunksKey(id))) ?? '[]') as ChunkItem[];
  let done = 0;
  const waiting = items.values();
  const work = async () => {
    for (const item of waiting) {
      await compareChunks(deps, run, { items: [item] });
      done += 1;
      say(`compared ${done} of ${items.length} parts`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  say('reading what differed again');
  await toEnd(deps, (data) => settle(deps, run, data), { cycle: id });
  const settling = await readSettling(deps.objects, await readCycle(deps.objects, id));
  if (settling === undefined) throw new RangeError(`cycle ${id} was not settled`);
  const { tables, drift, inFlight, pending, dropped, missing, errors } = settling;
  const unlooked = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  return {
    outcome: drift.length > 0 || missing > 0 || unlooked > 0 ? 'differences' : 'passed',
    reasons: errors,
    notes: planned.notes,
    tables: tables.map(({ table, rows, chunks, leftOut }) => ({ table, rows, chunks, leftOut })),
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    drift,
    inFlight: Object.values(inFlight).reduce((sum, count) => sum + count, 0),
    unsettled: pending.length + unlooked,
    unread: missing,
  };
}

const NOTHING: HerePayload = {
  outcome: 'passed',
  reasons: [],
  notes: [],
  tables: [],
  rows: 0,
  drift: [],
  inFlight: 0,
  unsettled: 0,
  unread: 0,
};

function isOpen({ limit, windowMs, keys = [] }: HereWish): boolean {
  return limit === null && windowMs == null && keys.length === 0;
}

async function toEnd(deps: Deps, work: (data: unknown) => Promise<StepResult>, first: unknown): Promise<StepResult> {
  for (let data = first; ; ) {
    const result = await work(data);
    if (!result.again) return result;
    await deps.clock.sleep(result.waitSeconds * 1_000);
    data = result.data;
  }
}

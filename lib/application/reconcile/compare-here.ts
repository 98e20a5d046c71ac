/** A cycle in one process, without a machine: the steps of the machine themselves, as a dry run, so that no scope means anything else here. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { sourceOf } from '../../domain/direction.ts';
import type { Deps } from '../deps.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { directionInForce } from '../switch/authority.ts';
import { allTenants } from '../tenants/all-tenants.ts';
import type { BeyondLimit } from './beyond-limit.ts';
import { compareChunks } from './compare-chunks.ts';
import { compareUninstalled, storesWithout } from './compare-uninstalled.ts';
import { type ChunkItem, chunksKey, isProved, readCycle, readSettling } from './cycle-store.ts';
import { planChunks } from './plan-chunks.ts';
import { cycleData, settle } from './settle.ts';
import type { DriftRow } from './settle-round.ts';
import { type ShownValues, showValues } from './show-values.ts';

export type HereWish = Pick<Run, 'mode' | 'tables' | 'limit' | 'scopeKind' | 'windowMs' | 'keys'> & {
  /** Empty: all tenants. */
  readonly tenants: readonly string[];
  /** Reads what differing rows hold, for the operator's eyes only. */
  readonly showValues?: boolean | undefined;
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
  /** Rows that the limit left out; null: none, or there is no limit. */
  readonly beyondLimit: BeyondLimit | null;
  /** Keys and names of columns, never values. */
  readonly drift: readonly DriftRow[];
  /** Only when asked for. */
  readonly values?: ShownValues | undefined;
  readonly inFlight: number;
  readonly unsettled: number;
  readonly unread: number;
}

/** Items compared at once: more would only wait for each other in the stores. */
const AT_ONCE = 3;

/** Reads only. What the deps' bucket and documents hold is of this call alone. */
export async function compareHere(deps: Deps, wish: HereWish, say: (text: string) => void): Promise<HerePayload> {
  const migration = await loadMigration(deps);
  const lacking = await storesWithout(deps);
  const payload =
    lacking.length === 0 ? await runCycle(migration, wish, say) : await runWithout(migration, wish, lacking, say);
  return wish.showValues === true ? { ...payload, values: await showValues(migration, payload.drift) } : payload;
}

async function runCycle(migration: Migration, wish: HereWish, say: (text: string) => void): Promise<HerePayload> {
  const { deps } = migration;
  const { tenants, showValues: _, ...asked } = wish;
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
  const cycle = await readCycle(deps.objects, id);
  const settling = await readSettling(deps.objects, cycle);
  if (settling === undefined) throw new RangeError(`cycle ${id} was not settled`);
  const { tables, drift, inFlight, pending, dropped, missing, errors } = settling;
  const unlooked = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return {
    outcome: isProved(settling) ? 'passed' : 'differences',
    reasons: errors,
    notes: planned.notes,
    tables: tables.map(({ table, rows, chunks, leftOut }) => ({ table, rows, chunks, leftOut })),
    rows,
    beyondLimit: cycle.beyondLimit ?? null,
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
  beyondLimit: null,
  drift: [],
  inFlight: 0,
  unsettled: 0,
  unread: 0,
};

async function runWithout(
  migration: Migration,
  wish: HereWish,
  lacking: readonly string[],
  say: (text: string) => void,
): Promise<HerePayload> {
  const { scopeKind, windowMs, keys = [] } = wish;
  if (windowMs != null || scopeKind === 'window' || scopeKind === 'sample') {
    const what = scopeKind === 'sample' ? 'a sample' : 'a window';
    const why = `${what} needs what crossfade start baseline installs, which ${lacking.join(' and ')} do not have; compare with --scope full`;
    return { ...NOTHING, outcome: 'refused', reasons: [why] };
  }
  try {
    const result = await compareUninstalled(migration, { ...wish, keys }, say);
    const rows = result.tables.reduce((sum, table) => sum + table.rows, 0);
    return {
      ...NOTHING,
      ...result,
      outcome: result.drift.length > 0 || result.unsettled > 0 ? 'differences' : 'passed',
      rows,
    };
  } catch (error) {
    // What was asked for is not known.
    if (error instanceof RangeError) return { ...NOTHING, outcome: 'refused', reasons: [error.message] };
    throw error;
  }
}

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

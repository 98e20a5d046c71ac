/**
 * Behind the fence, after the drain: only rows that changed since the exact pass, or that it could not settle, can differ. Those
 * are compared one by one, and all rows are counted (protocol §9.2).
 */
import { inPages } from '../../domain/chunk.ts';
import { type Direction, STORES } from '../../domain/direction.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import { countRows } from '../../sql/switchover/count-rows.ts';
import type { Migration } from '../migration.ts';
import { planComparison } from '../reconcile/comparison.ts';
import { listChanged, WINDOW_START, type WindowPlace, type WindowReach } from '../reconcile/list-changed.ts';
import { sightRows } from '../reconcile/sight-rows.ts';
import { tenantStates } from '../tenants/exposure.ts';

/** Keys compared by one statement in each store. */
const PAGE = 500;
const DETAILS = 20;

/** What has to be compared again. */
export interface Unproved {
  /** Back to before the last full pass read anything, or to when the direction came into force. */
  readonly reach: WindowReach;
  /** Rows that were on their way then, whenever they were captured. */
  readonly keys: readonly RowKey[];
}

type RowKey = readonly [table: string, rowKey: string];

export async function proveEqual(
  migration: Migration,
  direction: Direction,
  unproved: Unproved,
): Promise<readonly GateDecision[]> {
  const { deps } = migration;
  const touched = await compareTouched(migration, direction, unproved);
  const counts = await compareCounts(migration);
  const now = deps.clock.now();
  const gate = (name: string, differences: readonly string[], unit: string, source: string) =>
    judgeGate(
      {
        gate: name,
        value: differences.length,
        threshold: 0,
        comparison: 'equals',
        unit,
        source,
        measuredAt: now,
        details: differences.slice(0, DETAILS),
      },
      now,
    );
  return [
    gate(
      'touched-rows-equal',
      touched.differences,
      'rows',
      `${touched.compared} rows that changed since ${unproved.reach.since} or were on their way then, by exact digest`,
    ),
    gate('row-counts-equal', counts, 'tables', 'count(*) of every table in both stores'),
  ];
}

async function compareTouched(migration: Migration, direction: Direction, { reach, keys }: Unproved) {
  const { deps } = migration;
  const tenants = (await tenantStates(deps, direction)).filter((state) => state.is_on).map((state) => state.tenant);
  const comparison = await planComparison(migration, direction, {
    mode: 'checksum',
    form: 'exact',
    tenants,
    tables: [],
  });
  const touched = new Map<string, Set<string>>();
  const add = (found: readonly RowKey[]) => {
    for (const [table, rowKey] of found) touched.set(table, (touched.get(table) ?? new Set()).add(rowKey));
  };
  add(keys);
  for (let place: WindowPlace | null = WINDOW_START; place !== null; ) {
    const changed: Awaited<ReturnType<typeof listChanged>> = await listChanged(migration, comparison, reach, place);
    add(changed.keys);
    place = changed.next;
  }
  const differences: string[] = [];
  let compared = 0;
  for (const table of comparison.tables) {
    for (const page of inPages([...(touched.get(table.table) ?? [])], PAGE)) {
      for (const sight of await sightRows(migration, comparison, table, page)) {
        if (sight.legacy !== sight.target)
          differences.push(`${table.table} ${sight.rowKey} differs${sight.inFlight ? ' and is still in flight' : ''}`);
      }
      compared += page.length;
    }
  }
  return { differences, compared };
}

async function compareCounts(migration: Migration): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const table of migration.tables) {
    const [legacy, target] = await Promise.all(
      STORES.map(
        async (store) =>
          (await migration.deps.databases.open(store, 'compare').query<{ rows: string }>(countRows(table)))[0]?.rows,
      ),
    );
    if (legacy !== target) lines.push(`${table.name}: ${legacy} rows in legacy, ${target} in the target`);
  }
  return lines;
}

/** Behind the fence, after the drain: only rows touched since the exact pass can have changed; those are compared one by one, and all are counted (protocol §9.2). */
import { type Direction, STORES, sourceOf } from '../../domain/direction.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import { countRows } from '../../sql/switchover/count-rows.ts';
import { type TouchedKeyRow, touchedKeys } from '../../sql/switchover/touched-keys.ts';
import type { Migration } from '../migration.ts';
import { planComparison } from '../reconcile/comparison.ts';
import { sightRows } from '../reconcile/sight-rows.ts';
import { tenantStates } from '../tenants/exposure.ts';

/** Keys compared by one statement in each store. */
const PAGE = 500;
const DETAILS = 20;

/** @param since ISO time at which the last full pass began, or at which the direction came into force. */
export async function proveEqual(
  migration: Migration,
  direction: Direction,
  since: string,
): Promise<readonly GateDecision[]> {
  const { deps } = migration;
  const touched = await compareTouched(migration, direction, since);
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
      `${touched.compared} rows captured since ${since}, by exact digest`,
    ),
    gate('row-counts-equal', counts, 'tables', 'count(*) of every table in both stores'),
  ];
}

async function compareTouched(migration: Migration, direction: Direction, since: string) {
  const { deps } = migration;
  const tenants = (await tenantStates(deps, direction)).filter((state) => state.is_on).map((state) => state.tenant);
  const comparison = await planComparison(migration, direction, {
    mode: 'checksum',
    form: 'exact',
    tenants,
    tables: [],
  });
  const outbox = deps.databases.open(sourceOf(direction), 'relay');
  const differences: string[] = [];
  let compared = 0;
  for (let after: TouchedKeyRow | null = null; ; ) {
    const page: readonly TouchedKeyRow[] = await outbox.query<TouchedKeyRow>(touchedKeys(since, after, PAGE));
    for (const [name, rows] of Map.groupBy(page, (row) => row.table_name)) {
      const table = comparison.tables.find((candidate) => candidate.table === name);
      if (table === undefined) continue;
      const sights = await sightRows(
        migration,
        comparison,
        table,
        rows.map((row) => row.row_key),
      );
      differences.push(
        ...sights
          .filter((sight) => sight.legacy !== sight.target)
          .map((sight) => `${name} ${sight.rowKey} differs${sight.inFlight ? ' and is still in flight' : ''}`),
      );
      compared += rows.length;
    }
    after = page.at(-1) ?? null;
    if (page.length < PAGE) return { differences, compared };
  }
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

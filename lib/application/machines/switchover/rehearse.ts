/** Before anything is fenced: the way back must be open, in data and in fact (prior art, traps 5, 6, 12). */
import { judgeGate } from '../../../domain/gate.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import { preparedTransactions } from '../../../sql/switchover/prepared-transactions.ts';
import { installCapture, uncapturedTables, unfencedTables } from '../../install/install.ts';
import { loadMigration } from '../../migration.ts';
import { rehearseWrites } from '../../switch/rehearse-writes.ts';
import { allTenants } from '../../tenants/all-tenants.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { judged, type Step } from '../step.ts';

export const rehearse: Step = async (deps, run) => {
  const migration = await loadMigration(deps);
  const now = deps.clock.now();
  const gate = (name: string, found: readonly string[], source: string, unit: string) =>
    judgeGate(
      {
        gate: name,
        value: found.length,
        threshold: 0,
        comparison: 'equals',
        unit,
        source,
        measuredAt: now,
        details: found.slice(0, 20),
      },
      now,
    );

  const on = new Set(
    (await tenantStates(deps, 'forward')).filter((state) => state.is_on && state.copied).map((state) => state.tenant),
  );
  const left = (await allTenants(migration, 'legacy')).filter((tenant) => !on.has(tenant));
  const [prepared] = await deps.databases.open('legacy', 'fence').query<{ prepared: number }>(preparedTransactions);
  const gates = [
    gate(
      'every-tenant-copied',
      left.map((tenant) => `tenant ${tenant} is not on and copied; authority moves for all or none`),
      'crossfade.tenant_state',
      'tenants',
    ),
    gate(
      'way-back-of-columns',
      migration.tables.flatMap(columnsWithoutWayBack),
      'the plan and both catalogues',
      'columns',
    ),
    gate(
      'capture-in-place',
      [...(await uncapturedTables(migration, 'forward')), ...(await unfencedTables(migration, 'forward'))],
      'triggers of both stores',
      'tables',
    ),
    gate(
      'prepared-transactions',
      Array.from(
        { length: prepared?.prepared ?? 0 },
        () => 'a prepared transaction may commit behind the fence; commit or roll it back',
      ),
      'pg_prepared_xacts of legacy',
      'transactions',
    ),
    gate(
      'reverse-writes',
      await rehearseWrites(migration, 'reverse'),
      'rows of the target tried on legacy and rolled back',
      'violations',
    ),
  ];
  if (gates.some((decision) => !decision.pass)) return judged(gates);
  const installed = run.dryRun ? [] : await installCapture(migration, 'reverse');
  return judged(gates, {
    notes: [
      run.dryRun
        ? 'would install reverse capture on the target'
        : `reverse capture is in place${installed.length === 0 ? '' : ` on ${installed.join(', ')}`}`,
    ],
  });
};

function columnsWithoutWayBack(table: MigratedTable): readonly string[] {
  const oneWay = table.oneWay
    .filter((column) => table.targetColumns.some((known) => known.name === column && !known.generated))
    .map(
      (column) =>
        `${table.name}.${column} is one-way and writes on the target can change it; give it a "back", or make it a generated column of the target`,
    );
  const filled = new Set(table.reverse.map((mapped) => mapped.column));
  const unfilled = table.legacyColumns
    .filter(
      (column) =>
        column.notNull &&
        !column.hasDefault &&
        !column.generated &&
        column.identity === 'none' &&
        !filled.has(column.name),
    )
    .map(
      (column) =>
        `${table.name}.${column.name} of legacy is NOT NULL and nothing fills it from the target; give the column that carries it a "back"`,
    );
  return [...oneWay, ...unfilled];
}

/** Step `close`: every tenant is complete, the journal says so, and what is left of Crossfade is listed. */

import { counted } from '../../../domain/counted.ts';
import { STORES } from '../../../domain/direction.ts';
import { type RemainingObjectRow, remainingObjects } from '../../../sql/decommission/remaining-objects.ts';
import { dropKeyIndexes } from '../../install/key-index.ts';
import { loadMigration } from '../../migration.ts';
import { latestJournal } from '../../switch/authority.ts';
import { setStage, tenantStates } from '../../tenants/exposure.ts';
import { proceed, type Step } from '../step.ts';

const WHY = 'migration complete';

export const close: Step = async (deps, run) => {
  const states = await tenantStates(deps, 'reverse');
  const tenants = states.filter(({ is_on }) => is_on).map(({ tenant }) => tenant);
  // Nobody walks the tables any more; before what remains is listed.
  const dropped = run.dryRun ? [] : await dropKeyIndexes(await loadMigration(deps));
  const remaining: string[] = [];
  for (const store of STORES) {
    const rows = await deps.databases.open(store, 'compare').query<RemainingObjectRow>(remainingObjects);
    remaining.push(...describeRemaining(rows).map((what) => `${store} keeps ${what}`));
  }
  if (run.dryRun) return proceed({ notes: [`would complete ${counted(tenants.length, 'tenant')}`, ...remaining] });

  await setStage(deps, 'reverse', tenants, 'complete', 100, WHY);
  const latest = await latestJournal(deps);
  if (latest !== undefined && latest.why !== WHY) {
    const at = deps.clock.now().toISOString();
    // Behind the entry of the switchover and before any later one: the same store stays authoritative.
    const id = `${String(latest.n).padStart(12, '0')}-complete`;
    await deps.documents.put(
      'journal',
      id,
      { ...latest, at, by: run.requestedBy, why: WHY, execution: run.execution },
      'any',
    );
    await deps.documents.put(
      'evidence',
      `${at}#decision#${deps.newId().slice(0, 8)}`,
      {
        kind: 'decision',
        at,
        machine: run.machine,
        execution: run.execution,
        dryRun: false,
        planHash: deps.planHash,
        note: WHY,
        by: run.requestedBy,
      },
      'absent',
    );
  }
  return proceed({
    notes: [
      `${tenants.length} tenants are complete: the target alone is read and written`,
      ...dropped.map((name) => `index of the key dropped from ${name}`),
      ...remaining,
      `to take Crossfade away: npm run cdk -- destroy --all -c plan=<the plan's file>, then DROP SCHEMA crossfade CASCADE in both stores; copy the archive out of ${deps.objects.bucket} first where the deployment keeps nothing (environment dev)`,
    ],
  });
};

/** A trigger stands on every table: one line a trigger, however many tables there are. */
function describeRemaining(rows: readonly RemainingObjectRow[]): readonly string[] {
  const tables = new Map<string, number>();
  for (const { kind, name } of rows) {
    const [object = name] = name.split(' on ');
    if (kind === 'trigger') tables.set(object, (tables.get(object) ?? 0) + 1);
  }
  return [
    ...rows.filter(({ kind }) => kind !== 'trigger').map(({ kind, name }) => `${kind} ${name}`),
    ...[...tables].map(([trigger, count]) => `trigger ${trigger} on ${counted(count, 'table')}`),
  ];
}

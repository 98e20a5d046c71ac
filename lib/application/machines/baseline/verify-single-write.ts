/** Rollback of baseline: single-write mode is looked at, not assumed (guide, phase 1, rollback). */
import { STORES, type StoreName } from '../../../domain/direction.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { SqlError } from '../../../ports/sql.ts';
import { crossfadeSchemaExists } from '../../../sql/catalogue/crossfade-schema.ts';
import { crossfadeTriggers, type TriggerRow } from '../../../sql/catalogue/crossfade-triggers.ts';
import type { Deps } from '../../deps.ts';
import { readTenantStates } from '../../tenants/read-pages.ts';
import { judged, type Step } from '../step.ts';

export const verifySingleWrite: Step = async (deps) => {
  const problems: string[] = [];
  const notes: string[] = [];
  for (const store of STORES) {
    const session = deps.databases.open(store, 'compare');
    const [row] = await session.query<{ exists: boolean }>(crossfadeSchemaExists);
    const triggers = await session.query<TriggerRow>(crossfadeTriggers);
    problems.push(
      ...triggers.map(({ schema, relation, trigger }) => `${store} still has ${trigger} on ${schema}.${relation}`),
    );
    if (row?.exists !== true) {
      notes.push(`${store}: Crossfade has no schema there`);
      continue;
    }
    problems.push(...(await exposedTenants(deps, store)));
    // Taken out of one store only, the generations of tenants would no longer agree and every later event be refused.
    notes.push(
      `${store}: schema crossfade is left in place; it takes part in no write; npx crossfade rollback schema takes it away`,
    );
  }
  const now = deps.clock.now();
  const gate = judgeGate(
    {
      gate: 'single-write',
      value: problems.length,
      threshold: 0,
      comparison: 'equals',
      source: 'pg_trigger and crossfade.tenant_state of both stores',
      measuredAt: now,
      details: [...problems, ...(problems.length > 0 ? ['run: npx crossfade rollback dual-write'] : [])],
    },
    now,
  );
  return judged([gate], { notes });
};

/** What is on in a store that has the schema, one line a tenant. */
export async function exposedTenants(deps: Deps, store: StoreName): Promise<readonly string[]> {
  try {
    const states = await readTenantStates(deps.databases.open(store, 'compare'));
    return states
      .filter(({ is_on }) => is_on)
      .map(({ tenant, stage }) => `tenant ${tenant} is on in ${store}, stage ${stage}`);
  } catch (error) {
    // An install that broke off before its grants: nothing of it can be on.
    if (error instanceof SqlError && (error.sqlState === '42501' || error.sqlState === '42P01')) return [];
    throw error;
  }
}

/**
 * AppConfig says who should be exposed; this makes it so, tenant by tenant, in the order that loses nothing (design §2, §3.6).
 * A wish that cannot be read changes nothing: unknown is not off.
 */
import { evaluateFlag, type FlagSubject } from '../../domain/flags.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { uncapturedTables, unfencedTables } from '../install/install.ts';
import type { Migration } from '../migration.ts';
import { allTenants } from './all-tenants.ts';
import { mirrorTenants, tenantStates, turnOff, turnOn } from './exposure.ts';

export interface CarriedOut {
  readonly flagsVersion: number | null;
  readonly turnedOn: readonly string[];
  readonly turnedOff: readonly string[];
  /** Wishes that were not carried out, and why. */
  readonly refused: readonly string[];
}

export async function carryOutWish(migration: Migration): Promise<CarriedOut> {
  const { deps } = migration;
  const wish = await deps.flags.read();
  if (wish === undefined) {
    deps.metrics.record('flagFallback', 1);
    return {
      flagsVersion: null,
      turnedOn: [],
      turnedOff: [],
      refused: ['the flags cannot be read; exposure stays as it is'],
    };
  }
  const states = new Map((await tenantStates(deps, 'forward')).map((state) => [state.tenant, state]));
  const blocked = new Set(
    (await deps.documents.list('progress', { from: ERASURE_PREFIX, to: `${ERASURE_PREFIX}\u{10ffff}` })).map(({ id }) =>
      id.slice(ERASURE_PREFIX.length),
    ),
  );
  const wanted = (await allTenants(migration, 'legacy')).map((tenant) => ({
    tenant,
    on: evaluateFlag(wish.flags.dual_write, subjectOf(migration, tenant)),
  }));
  const why = `flags version ${wish.version}`;
  const toTurnOn = wanted.filter(({ tenant, on }) => on && states.get(tenant)?.is_on !== true);
  const toTurnOff = wanted.filter(({ tenant, on }) => !on && states.get(tenant)?.is_on === true);
  const refused: string[] = [];
  const turnedOn: string[] = [];
  const turnedOff: string[] = [];

  const obstacles = toTurnOn.length === 0 ? [] : await exposureObstacles(migration);
  if (obstacles.length > 0) refused.push(...obstacles);
  for (const { tenant } of obstacles.length > 0 ? [] : toTurnOn) {
    if (blocked.has(tenant)) {
      refused.push(`tenant ${tenant} is being rolled back and is exposed again only when that is verified`);
      continue;
    }
    // Shared rows follow the most advanced tenant: they come first, because others refer to them.
    await turnOn(deps, 'forward', { tenant: NO_TENANT, stage: 'dualwrite', copied: false, why });
    if (tenant !== NO_TENANT) await turnOn(deps, 'forward', { tenant, stage: 'dualwrite', copied: false, why });
    turnedOn.push(tenant);
  }
  for (const { tenant } of toTurnOff) {
    const stage = states.get(tenant)?.stage;
    if (stage !== 'dualwrite') {
      refused.push(
        `tenant ${tenant} is in stage ${stage}; return its reads first: npx crossfade rollback cutover --tenant ${tenant}`,
      );
      continue;
    }
    await turnOff(deps, 'forward', tenant, why);
    turnedOff.push(tenant);
  }
  if (turnedOn.length + turnedOff.length > 0) await mirrorTenants(deps, 'forward');
  return { flagsVersion: wish.version, turnedOn, turnedOff, refused };
}

/** id prefix of the progress documents of tenants whose rows are being erased. */
export const ERASURE_PREFIX = 'erasure/';

/** What would let writes of an exposed tenant escape, or foreign ones in (protocol §3.8, §9.1). */
async function exposureObstacles(migration: Migration): Promise<readonly string[]> {
  const uncaptured = await uncapturedTables(migration, 'forward');
  const unfenced = await unfencedTables(migration, 'forward');
  return [
    ...(uncaptured.length === 0
      ? []
      : [`capture is missing or disabled on ${uncaptured.join(', ')}; run: npx crossfade start dual-write`]),
    ...(unfenced.length === 0
      ? []
      : [`the target accepts application writes on ${unfenced.join(', ')}; run: npx crossfade start dual-write`]),
  ];
}

export function subjectOf(migration: Migration, tenant: string): FlagSubject {
  const known = migration.deps.plan.tenants.known.find((candidate) => candidate.id === tenant);
  return { tenant, region: known?.region ?? undefined, services: known?.services ?? undefined };
}

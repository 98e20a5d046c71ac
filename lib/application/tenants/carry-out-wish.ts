/**
 * AppConfig says who should be exposed; this makes it so, tenant by tenant, in the order that loses nothing (design §2, §3.6).
 * A wish that cannot be read changes nothing: unknown is not off.
 */
import { evaluateFlag, type FlagSubject } from '../../domain/flags.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { findBypasses } from '../install/bypass.ts';
import type { Migration } from '../migration.ts';
import { noteDecision } from '../note-decision.ts';
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
  const as = { stage: 'dualwrite', copied: false, why, flagsVersion: wish.version } as const;
  const toTurnOn = wanted.filter(({ tenant, on }) => on && states.get(tenant)?.is_on !== true);
  const toTurnOff = wanted.filter(({ tenant, on }) => !on && states.get(tenant)?.is_on === true);
  const refused: string[] = [];
  const turnedOn: string[] = [];
  const turnedOff: string[] = [];

  const obstacles = toTurnOn.length === 0 ? [] : await exposureObstacles(migration);
  if (obstacles.length > 0) refused.push(...obstacles);
  for (const { tenant } of obstacles.length > 0 ? [] : toTurnOn) {
    const isBarred = blocked.has(NO_TENANT) && tenant !== NO_TENANT;
    if (isBarred) {
      refused.push(`rows that tenants share are being rolled back; ${tenant} is exposed when that is verified`);
      continue;
    }
    if (blocked.has(tenant)) {
      refused.push(`tenant ${tenant} is being rolled back and is exposed again only when that is verified`);
      continue;
    }
    // Shared rows follow the most advanced tenant: they come first, because others refer to them.
    await turnOn(deps, 'forward', { tenant: NO_TENANT, ...as });
    if (tenant !== NO_TENANT) await turnOn(deps, 'forward', { tenant, ...as });
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
    await turnOff(deps, 'forward', tenant, why, wish.version);
    turnedOff.push(tenant);
  }
  if (turnedOn.length + turnedOff.length > 0) {
    await mirrorTenants(deps, 'forward');
    await recordDecision(deps, wish.version, turnedOn, turnedOff);
  }
  return { flagsVersion: wish.version, turnedOn, turnedOff, refused };
}

/** The applied log has the generation of every write; here stands which flags a generation began under. */
async function recordDecision(
  deps: Deps,
  flagsVersion: number,
  turnedOn: readonly string[],
  turnedOff: readonly string[],
): Promise<void> {
  const states = new Map((await tenantStates(deps, 'forward')).map((state) => [state.tenant, state.generation]));
  const name = (tenants: readonly string[]) =>
    tenants.map((tenant) => `${tenant} (generation ${states.get(tenant) ?? 0})`).join(', ') || 'nobody';
  const note = `flags version ${flagsVersion}: turned on ${name(turnedOn)}, turned off ${name(turnedOff)}`;
  await noteDecision(deps, 'exposure', note);
  deps.log.info('exposure was changed', { flagsVersion, turnedOn, turnedOff });
}

/** id prefix of the progress documents of tenants whose rows are being erased. */
export const ERASURE_PREFIX = 'erasure/';

/** What would let writes of an exposed tenant escape, or foreign ones in (protocol §3.8, §9.1). */
async function exposureObstacles(migration: Migration): Promise<readonly string[]> {
  const found = (await findBypasses(migration, 'forward')).filter(({ kind }) => kind !== 'column');
  return found.map(({ store, says }) => `${store}: ${says}; run: npx crossfade start dual-write`);
}

export function subjectOf(migration: Migration, tenant: string): FlagSubject {
  const known = migration.deps.plan.tenants.known.find((candidate) => candidate.id === tenant);
  return { tenant, region: known?.region ?? undefined, services: known?.services ?? undefined };
}

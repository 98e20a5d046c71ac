/** Stage -> canary -> store: who answers one read, before the breaker is asked (design §6). */
import { type CanaryTenant, isCanaryRead } from './canary.ts';
import type { Direction, StoreName } from './direction.ts';
import { STAGE_ROUTES, type Stage } from './stage.ts';
import { NO_TENANT } from './table.ts';

/** Why legacy answered a read that was the target's; told to the caller in `x-fallback`. */
export const FALLBACKS = ['timeout', 'open', 'error', 'behind'] as const;
export type Fallback = (typeof FALLBACKS)[number];

export interface TenantReads extends CanaryTenant {
  readonly stage: Stage;
}

export interface ReadRoute {
  /** null: no stage is known (the control table was never reached), so the direction in force decided. */
  readonly stage: Stage | null;
  readonly store: StoreName;
  /** Absent: nobody else may answer. */
  readonly fallback: StoreName | null;
}

/**
 * @param tenants every tenant in effect.
 * @param subject table and key that are read, for a canary within one tenant.
 */
export function routeRead(tenant: string, subject: string, tenants: readonly TenantReads[]): ReadRoute {
  const asked = readsOf(tenant, tenants);
  const { reads } = STAGE_ROUTES[asked.stage];
  const live = tenants.filter(({ stage }) => stage === 'live');
  if (reads.canary && !isCanaryRead(asked, subject, live)) {
    return { stage: asked.stage, store: reads.fallback ?? 'legacy', fallback: null };
  }
  return { stage: asked.stage, store: reads.primary, fallback: reads.fallback ?? null };
}

/**
 * A tenant that is not known is off, so legacy has its rows; but once authority has moved, new tenants are born in the target.
 * The shared tenant says so, because it follows the most advanced one.
 */
export function readsOf(tenant: string, tenants: readonly TenantReads[]): TenantReads {
  const known = tenants.find((candidate) => candidate.tenant === tenant);
  if (known !== undefined) return known;
  const shared = tenants.find((candidate) => candidate.tenant === NO_TENANT);
  const moved = shared !== undefined && STAGE_ROUTES[shared.stage].authoritative === 'target';
  return { tenant, stage: moved ? shared.stage : 'off', readPercent: 0 };
}

/** The route of a container that has never seen a tenant's stage: whoever is authoritative has every row. */
export function routeByDirection(direction: Direction): ReadRoute {
  return { stage: null, store: direction === 'forward' ? 'legacy' : 'target', fallback: null };
}

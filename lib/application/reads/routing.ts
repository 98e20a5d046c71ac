/** The routing in effect as a document that ORMs, other languages, gateways and meshes can follow (design §6). */
import type { Breaker } from '../../domain/breaker.ts';
import type { CallerTenants } from '../../domain/callers.ts';
import { canaryShare } from '../../domain/canary.ts';
import type { StoreName } from '../../domain/direction.ts';
import { STAGE_ROUTES, type Stage } from '../../domain/stage.ts';
import type { Deps } from '../deps.ts';
import type { ReadBreaker } from './read-breaker.ts';
import type { EffectiveReads, TenantStages } from './tenant-stages.ts';

export interface TenantRouting {
  readonly tenant: string;
  readonly stage: Stage;
  readonly since: string;
  readonly generation: number;
  readonly reads: {
    readonly primary: StoreName;
    readonly fallback: StoreName | null;
    /** Share of reads that the primary answers; the rest is legacy's. */
    readonly percent: number;
    /** Who answers now: `by-row` where the tenant's rows are hashed one by one. */
    readonly answeredBy: StoreName | 'by-row';
  };
  readonly writes: StoreName;
  readonly authoritative: StoreName;
}

export interface Routing {
  readonly plan: string;
  readonly at: string;
  readonly route: string;
  readonly timeoutMs: number;
  readonly breaker: Pick<Breaker, 'state' | 'openedAt'>;
  /** Tenants that the caller may read. A tenant that is not here is legacy's, until authority has moved. */
  readonly tenants: readonly TenantRouting[];
}

export async function readRouting(
  deps: Pick<Deps, 'plan' | 'clock'>,
  known: { readonly stages: TenantStages; readonly breaker: ReadBreaker },
  allowed: CallerTenants,
): Promise<Routing> {
  const tenants = (await known.stages.list()) ?? [];
  const live = tenants.filter(({ stage }) => stage === 'live');
  const { state, openedAt } = await known.breaker.state();
  return {
    plan: deps.plan.name,
    at: deps.clock.now().toISOString(),
    route: deps.plan.reads.route,
    timeoutMs: deps.plan.reads.timeout,
    breaker: { state, openedAt },
    tenants: tenants
      .filter(({ tenant }) => allowed === '*' || allowed.includes(tenant))
      .map((tenant) => describe(tenant, live)),
  };
}

function describe(tenant: EffectiveReads, live: readonly EffectiveReads[]): TenantRouting {
  const route = STAGE_ROUTES[tenant.stage];
  const { primary, fallback, canary } = route.reads;
  return {
    tenant: tenant.tenant,
    stage: tenant.stage,
    since: tenant.since,
    generation: tenant.generation,
    reads: {
      primary,
      fallback: fallback ?? null,
      percent: canary ? tenant.readPercent : 100,
      answeredBy: canary ? answeredBy(tenant, live) : primary,
    },
    writes: route.writes.first,
    authoritative: route.authoritative,
  };
}

function answeredBy(tenant: EffectiveReads, live: readonly EffectiveReads[]): StoreName | 'by-row' {
  const share = canaryShare(tenant, live);
  if (share === 'by-row') return share;
  return share === 'all' ? 'target' : 'legacy';
}

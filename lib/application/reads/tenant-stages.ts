/** Stages in effect as a reader knows them: the tenant documents, cached; the last known ones when DynamoDB fails (design §3.6). */
import { type ReadRoute, routeByDirection, type TenantReads } from '../../domain/read-route.ts';
import { type DirectionRow, directionInForce } from '../../sql/reads/direction-in-force.ts';
import type { Deps } from '../deps.ts';
import { createCached } from './cached.ts';

export interface EffectiveReads extends TenantReads {
  readonly since: string;
  readonly generation: number;
}

export interface TenantStages {
  /** undefined: the control table was never reached. */
  list(): Promise<readonly EffectiveReads[] | undefined>;
  /** The route while no stage is known: the store that is authoritative, as the stores themselves remember it. */
  withoutDocuments(): Promise<ReadRoute>;
}

/** Within this time every container follows a change of stage. */
export const STAGES_FOR_MS = 2_000;
const PATIENCE_MS = 100;
const FIRST_PATIENCE_MS = 1_000;

export function createTenantStages(deps: Pick<Deps, 'documents' | 'clock' | 'log' | 'databases'>): TenantStages {
  const { documents, clock, log, databases } = deps;
  const cached = createCached<readonly EffectiveReads[]>({
    clock,
    ttlMs: STAGES_FOR_MS,
    patienceMs: PATIENCE_MS,
    firstPatienceMs: FIRST_PATIENCE_MS,
    load: async () =>
      (await documents.list('tenant')).map(({ value }) => ({
        tenant: value.tenant,
        stage: value.stage,
        readPercent: value.readPercent,
        since: value.since,
        generation: value.generation,
      })),
    onFailure: (error) =>
      log.warn('the tenants cannot be read; their last known stage stands', { error: String(error) }),
  });
  return {
    list: cached.get,
    withoutDocuments: async () => {
      for (const store of ['legacy', 'target'] as const) {
        try {
          const [row] = await databases.open(store, 'read').query<DirectionRow>(directionInForce);
          if (row !== undefined) return routeByDirection(row.direction);
        } catch (error) {
          log.warn('a store does not say which direction is in force', { store, error: String(error) });
        }
      }
      // Nothing was installed, or nothing answers: legacy is authoritative until somebody says otherwise (invariant 7).
      return routeByDirection('forward');
    },
  };
}

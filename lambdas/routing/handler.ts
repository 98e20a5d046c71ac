/** GET /api/v2/routing: the routing in effect, for the tenants that the caller may read. */
import type { Deps } from '../../lib/application/deps.ts';
import { breakerNumbers, createReadBreaker } from '../../lib/application/reads/read-breaker.ts';
import { readRouting } from '../../lib/application/reads/routing.ts';
import { createTenantStages } from '../../lib/application/reads/tenant-stages.ts';
import { tenantsOfCaller } from '../../lib/domain/callers.ts';
import { createHandler } from '../shared/handler.ts';
import { answer, answering, callerOf, type HttpAnswer, type HttpEvent, HttpProblem } from '../shared/http.ts';

export const handler = createHandler<HttpEvent, HttpAnswer>(answerRouting);

export function answerRouting(deps: Deps, event: HttpEvent): Promise<HttpAnswer> {
  return answering(
    event,
    (error, correlationId) => deps.log.error('the routing cannot be told', { correlationId, reason: String(error) }),
    async () => {
      const caller = callerOf(event);
      const allowed = tenantsOfCaller(deps.plan.reads.callers, caller);
      if (allowed !== '*' && allowed.length === 0) {
        throw new HttpProblem(403, 'no-tenants', `${caller} is mapped to no tenant in reads.callers of the plan`);
      }
      return answer(200, JSON.stringify(await readRouting(deps, knownBy(deps), allowed)));
    },
  );
}

/** One a container. */
let known: Parameters<typeof readRouting>[1] | undefined;

function knownBy(deps: Deps): Parameters<typeof readRouting>[1] {
  known ??= { stages: createTenantStages(deps), breaker: createReadBreaker(deps, breakerNumbers(deps.plan)) };
  return known;
}

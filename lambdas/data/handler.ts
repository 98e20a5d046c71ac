/** GET plan.reads.route: one row or a page of a tenant's rows, in the target's shape, from whichever store the router chooses. */
import type { Deps } from '../../lib/application/deps.ts';
import { ReadProblem, type ReadProblemKind } from '../../lib/application/reads/read-problem.ts';
import { readShapes } from '../../lib/application/reads/read-shapes.ts';
import {
  createReadRouter,
  type ReadAnswer,
  type ReadRequest,
  type ReadRouter,
  warmUp,
} from '../../lib/application/reads/route-read.ts';
import { mayRead } from '../../lib/domain/callers.ts';
import { createHandler } from '../shared/handler.ts';
import { answer, answering, callerOf, type HttpAnswer, type HttpEvent, HttpProblem } from '../shared/http.ts';
import { readQuery } from './read-query.ts';

const STATUS_OF: Readonly<Record<ReadProblemKind, number>> = {
  'unknown-table': 404,
  'bad-key': 400,
  'too-large': 413,
  unavailable: 503,
};

export const handler = createHandler<HttpEvent, HttpAnswer>(answerRead);

export function answerRead(deps: Deps, event: HttpEvent): Promise<HttpAnswer> {
  return answering(
    event,
    (error, correlationId) => deps.log.error('a read failed', { correlationId, reason: String(error) }),
    async () => {
      const caller = callerOf(event);
      const request = readQuery(event);
      if (!mayRead(deps.plan.reads.callers, caller, request.tenant)) {
        const detail = `${caller} is not mapped to tenant ${request.tenant} in reads.callers of the plan`;
        throw new HttpProblem(403, 'tenant-not-yours', detail);
      }
      const router = await openRouter(deps);
      return toHttp(request, await router.read(request).catch(throwProblem));
    },
  );
}

/** One a container; a start that failed is tried again by the next request. */
let opening: Promise<ReadRouter> | undefined;

function openRouter(deps: Deps): Promise<ReadRouter> {
  opening ??= startRouter(deps).catch((error: unknown) => {
    opening = undefined;
    deps.log.error('the read router cannot start', { reason: String(error) });
    throw new HttpProblem(503, 'unavailable', 'the tables can be read from neither store; try again');
  });
  return opening;
}

async function startRouter(deps: Deps): Promise<ReadRouter> {
  const [tables] = await Promise.all([readShapes(deps), warmUp(deps)]);
  return createReadRouter(deps, tables);
}

/** Rows are JSON text and stay it: a bigint or numeric would lose digits in JavaScript. */
function toHttp({ tenant, table, what }: ReadRequest, { rows, more, servedBy, fallback }: ReadAnswer): HttpAnswer {
  const headers = { 'x-served-by': servedBy, ...(fallback === null ? {} : { 'x-fallback': fallback }) };
  const about = JSON.stringify({ tenant, table }).slice(0, -1);
  const last = rows.at(-1);
  if (what.kind === 'page') {
    const next = more && last !== undefined ? JSON.stringify(last.row_key) : 'null';
    return answer(200, `${about},"rows":[${rows.map(({ row }) => row).join(',')}],"next":${next}}`, headers);
  }
  if (last === undefined) {
    throw new HttpProblem(404, 'no-row', `tenant ${tenant} has no row with this key in ${table}`, { headers });
  }
  return answer(200, `${about},"key":${last.row_key},"row":${last.row}}`, headers);
}

function throwProblem(error: unknown): never {
  if (error instanceof ReadProblem) throw new HttpProblem(STATUS_OF[error.kind], error.kind, error.message);
  throw error;
}

/** POST /api/v1/internal/dual-write/dry-run: what would become of a write, without making it (guide phase 2). */
import { z } from 'zod';
import type { Deps } from '../../lib/application/deps.ts';
import {
  type DryRunAnswer,
  type DryRunRequest,
  dryRunRequest,
  NoSuchWrite,
} from '../../lib/application/dual-write/dry-run-request.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { mayRead } from '../../lib/domain/callers.ts';
import { SqlError } from '../../lib/ports/sql.ts';
import { createHandler } from '../shared/handler.ts';
import { answer, answering, callerOf, type HttpAnswer, type HttpEvent, HttpProblem } from '../shared/http.ts';
import { isDeeperThan } from './json-depth.ts';
import { memberText } from './member-text.ts';

const LARGEST_BODY = 256 * 1024;
/** Levels. What walks a deeper value runs out of stack, here and in PostgreSQL. */
const DEEPEST_BODY = 500;
const COME_AGAIN_SECONDS = 5;

const bodySchema = z.strictObject({
  idempotency_key: z.string().min(1).max(200),
  tenant_id: z.string().regex(/^[^\p{Cc}]{1,128}$/u, { error: 'expected a tenant id' }),
  table: z.string().min(1).max(127).optional(),
  payload: z.record(z.string(), z.unknown(), { error: 'expected the legacy row as a JSON object' }),
});

export const handler = createHandler<HttpEvent, HttpAnswer>(answerDryRun);

export function answerDryRun(deps: Deps, event: HttpEvent): Promise<HttpAnswer> {
  return answering(
    event,
    (error, correlationId) => deps.log.error('a dry run failed', { correlationId, reason: String(error) }),
    async (correlationId) => {
      const caller = callerOf(event);
      const text = bodyOf(event);
      const body = parseBody(text);
      // The answer shows a row as the target would hold it, which is a read.
      if (!mayRead(deps.plan.reads.callers, caller, body.tenant_id)) {
        const detail = `${caller} is not mapped to tenant ${body.tenant_id} in reads.callers of the plan`;
        throw new HttpProblem(403, 'tenant-not-yours', detail);
      }
      const request = { tenant: body.tenant_id, table: body.table ?? null, payload: memberText(text, 'payload') };
      const result = await tryRequest(deps, request);
      return answer(200, render(result, body.idempotency_key, correlationId));
    },
  );
}

async function tryRequest(deps: Deps, request: DryRunRequest): Promise<DryRunAnswer> {
  try {
    return await dryRunRequest(await loadMigration(deps), request);
  } catch (error) {
    if (error instanceof NoSuchWrite) throw new HttpProblem(400, 'no-such-table', error.message);
    if (!(error instanceof SqlError)) throw error;
    if (error.kind === 'limit') throw new HttpProblem(413, 'too-large', 'the row is too large for the Data API');
    if (error.kind === 'configuration') throw error;
    deps.log.warn('a dry run found a store unavailable', { reason: error.message });
    throw new HttpProblem(503, 'store-unavailable', 'a store cannot be asked at the moment; nothing was tried', {
      headers: { 'retry-after': String(COME_AGAIN_SECONDS) },
    });
  }
}

function bodyOf({ body = '', isBase64Encoded }: HttpEvent): string {
  const text = isBase64Encoded === true ? Buffer.from(body, 'base64').toString('utf8') : body;
  if (text.length > LARGEST_BODY) throw new HttpProblem(413, 'too-large', 'a dry run takes a body of 256 KiB at most');
  return text;
}

function parseBody(text: string): z.output<typeof bodySchema> {
  let raw: unknown;
  if (isDeeperThan(text, DEEPEST_BODY))
    throw new HttpProblem(400, 'bad-body', `the body nests deeper than ${DEEPEST_BODY} levels`);
  try {
    raw = JSON.parse(text);
  } catch {
    throw new HttpProblem(400, 'bad-body', 'the body is not JSON');
  }
  const parsed = bodySchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new HttpProblem(400, 'bad-body', 'the dry run cannot be understood', { faults });
}

/** Rows are JSON text and stay it. */
function render({ row, mapped, ...rest }: DryRunAnswer, idempotencyKey: string, correlationId: string): string {
  const about = JSON.stringify({ dryRun: true, idempotencyKey, correlationId, ...rest }).slice(0, -1);
  return `${about},"mapped":${mapped ?? 'null'},"row":${row ?? 'null'}}`;
}

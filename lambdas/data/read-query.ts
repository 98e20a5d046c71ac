/** The query string of a read: one row by its key, or a page of a tenant's rows. */
import { z } from 'zod';
import type { ReadRequest } from '../../lib/application/reads/route-read.ts';
import { type HttpEvent, HttpProblem } from '../shared/http.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
/** Longest key: no row key of PostgreSQL's indexes (8191 bytes) is longer. */
const MAX_KEY = 8_192;

const keySchema = z
  .string()
  .max(MAX_KEY)
  .refine(isListOfValues, { error: 'expected a JSON list of the key’s values, such as [42] or ["acme",7]' });

const querySchema = z
  .strictObject({
    tenant: z.string().regex(/^[^\p{Cc}]{1,128}$/u, { error: 'expected a tenant id' }),
    table: z.string().regex(/^[^\p{Cc}]{1,127}$/u, { error: 'expected a table of the plan' }),
    key: keySchema.optional(),
    after: keySchema.optional(),
    limit: z.coerce
      .number({ error: `expected a number from 1 to ${MAX_LIMIT}` })
      .int({ error: 'expected a whole number' })
      .min(1, { error: 'expected at least 1' })
      .max(MAX_LIMIT, { error: `expected at most ${MAX_LIMIT}` })
      .optional(),
  })
  .refine(({ key, after, limit }) => key === undefined || (after === undefined && limit === undefined), {
    error: 'expected either key, for one row, or limit and after, for a page',
  });

const positionSchema = z
  .string()
  .regex(/^\d{1,18}$/, { error: 'x-read-position: expected an outbox position, a whole number' })
  .optional();

/** @throws {HttpProblem} 400 with every fault. */
export function readQuery({ queryStringParameters, headers }: HttpEvent): ReadRequest {
  const query = querySchema.safeParse(queryStringParameters ?? {});
  const position = positionSchema.safeParse(headers?.['x-read-position']);
  if (!query.success || !position.success) {
    const faults = [...(query.error?.issues ?? []), ...(position.error?.issues ?? [])].map(
      ({ path, message }) => `${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
    );
    throw new HttpProblem(400, 'bad-query', 'the read cannot be understood', { faults });
  }
  const { tenant, table, key, after = null, limit = DEFAULT_LIMIT } = query.data;
  const what = key === undefined ? ({ kind: 'page', after, limit } as const) : ({ kind: 'row', key } as const);
  return { tenant, table, what, position: position.data ?? null };
}

function isListOfValues(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return (
      Array.isArray(parsed) &&
      parsed.length > 0 &&
      parsed.every((part) => ['string', 'number', 'boolean'].includes(typeof part))
    );
  } catch {
    return false;
  }
}

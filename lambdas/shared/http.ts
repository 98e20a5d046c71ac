/** What the HTTP functions share: the event of an HTTP API (payload 2.0), who calls, and answers with RFC 9457 problems. */
import { randomUUID } from 'node:crypto';
import { correlationOf } from '../../lib/domain/correlation.ts';

/** Only what is used. Everything in it is untrusted but `requestContext`, which API Gateway fills. */
export interface HttpEvent {
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>> | undefined;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: string | undefined;
  readonly isBase64Encoded?: boolean | undefined;
  readonly requestContext?:
    | {
        readonly requestId?: string | undefined;
        readonly authorizer?: { readonly iam?: { readonly userArn?: string | null } | undefined } | undefined;
      }
    | undefined;
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A refusal that the caller can act on; anything else that is thrown is ours, and is answered with 500. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  /** Stable; what a program may branch on. */
  readonly kind: string;
  readonly faults: readonly string[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    kind: string,
    detail: string,
    {
      faults = [],
      headers = {},
    }: { readonly faults?: readonly string[]; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.faults = faults;
    this.headers = headers;
  }
}

export const CORRELATION_HEADER = 'x-correlation-id';

/** The caller's own id, cleaned, or that of its trace; else a new one. */
export function correlationIdOf({ headers, requestContext }: HttpEvent): string {
  return correlationOf(headers) ?? requestContext?.requestId ?? randomUUID();
}

/** @throws {HttpProblem} 403 for a request that nobody signed. */
export function callerOf({ requestContext }: HttpEvent): string {
  const arn = requestContext?.authorizer?.iam?.userArn;
  if (arn === undefined || arn === null)
    throw new HttpProblem(403, 'unknown-caller', 'the request is not signed by an IAM identity');
  return arn;
}

/** @param body JSON text, passed through untouched: parsing it would round the numbers in it. */
export function answer(statusCode: number, body: string, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return { statusCode, headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers }, body };
}

/** Runs the work of one request; what it refuses becomes a problem, and every answer carries the correlation id. */
export async function answering(
  event: HttpEvent,
  onFailure: (error: unknown, correlationId: string) => void,
  work: (correlationId: string) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const correlationId = correlationIdOf(event);
  const answered = await work(correlationId).catch((error: unknown) => {
    if (!(error instanceof HttpProblem)) onFailure(error, correlationId);
    return problemOf(error, correlationId);
  });
  return { ...answered, headers: { ...answered.headers, [CORRELATION_HEADER]: correlationId } };
}

/** RFC 9457. The cause of a failure of ours stays in the log. */
function problemOf(error: unknown, correlationId: string): HttpAnswer {
  const known =
    error instanceof HttpProblem
      ? error
      : new HttpProblem(
          500,
          'failed',
          'the request failed for a reason of ours; the log has it under the correlation id',
        );
  const problem = {
    type: `urn:crossfade:problem:${known.kind}`,
    title: TITLES[known.status] ?? 'Problem',
    status: known.status,
    detail: known.message,
    ...(known.faults.length === 0 ? {} : { faults: known.faults }),
    correlationId,
  };
  return answer(known.status, JSON.stringify(problem), {
    ...known.headers,
    'content-type': 'application/problem+json',
  });
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Forbidden',
  404: 'Not found',
  413: 'Too large',
  500: 'Internal error',
  503: 'Unavailable',
};

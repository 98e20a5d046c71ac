/** The shell of every function: log context, metrics flushed at the end, errors under the names that state machines match. */
import middy from '@middy/core';
import { isTransient } from '../../lib/adapters/shared/transient-errors.ts';
import { TRANSIENT_ERROR } from '../../lib/contracts/error-names.ts';
import { correlationOf } from '../../lib/domain/correlation.ts';
import { type LambdaDeps, loadDeps } from './deps.ts';

/** What is used of the context that Lambda passes. */
export interface InvocationContext {
  readonly awsRequestId?: string;
  readonly functionName?: string;
}

export type Handle<Event, Result> = (deps: LambdaDeps, event: Event, context: InvocationContext) => Promise<Result>;

/** Lambda's own time-out ends the container; an earlier answer would leave the work running into the next invocation. */
const SHELL = { timeoutEarlyInMillis: 0 };

/** @param load for tests; a function's own is built once a container. */
export function createHandler<Event, Result>(
  handle: Handle<Event, Result>,
  load: () => LambdaDeps = loadDeps,
): (event: Event, context: InvocationContext) => Promise<Result> {
  const middleware: middy.MiddlewareObj = {
    before: ({ event, context }) => {
      const { awsRequestId, functionName } = context as InvocationContext;
      load().log.setContext({ requestId: awsRequestId, function: functionName, ...contextOf(event) });
    },
    after: () => load().metrics.flush(),
    onError: async (request) => {
      logFailure(load(), request.error);
      await load().metrics.flush();
      request.error = nameForStates(request.error);
    },
  };
  const shell = middy(SHELL)
    .use(middleware)
    .handler((event: unknown, context: unknown) => handle(load(), event as Event, context as InvocationContext));
  // Middy's own type wants the context of @types/aws-lambda.
  return shell as unknown as (event: Event, context: InvocationContext) => Promise<Result>;
}

/** Step Functions sees an error by its `name`: one that may pass gets the name that Retry matches. */
export function nameForStates(error: unknown): Error {
  const known = error instanceof Error ? error : new Error(String(error));
  if (!isTransient(known)) return known;
  const renamed = new Error(`${known.name}: ${known.message}`);
  renamed.name = TRANSIENT_ERROR;
  return renamed;
}

function logFailure({ log }: LambdaDeps, error: unknown): void {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const fields = { errorName: name, reason: message };
  if (isTransient(error)) log.warn('the invocation failed in a way that may pass', fields);
  else log.error('the invocation failed', { ...fields, stack });
}

/** Ids by which lines of one run are found. Everything else of an event may be anything. */
function contextOf(event: unknown): Readonly<Record<string, unknown>> {
  const { step, run, begin, direction, headers } = asRecord(event);
  return {
    ...(typeof step === 'string' ? { step } : {}),
    ...(typeof direction === 'string' ? { direction } : {}),
    ...present('execution', asRecord(run).execution ?? asRecord(begin).execution),
    ...present('correlationId', correlationOf(textsOf(headers))),
  };
}

function present(name: string, value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'string' ? { [name]: value } : {};
}

function textsOf(headers: unknown): Readonly<Record<string, string>> {
  const texts = Object.entries(asRecord(headers)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** Which errors may pass by themselves: what Step Functions retries, and what a relay waits out. */
import { VersionConflict } from '../../ports/documents.ts';
import { FlagsConflict } from '../../ports/flags.ts';
import { SqlError } from '../../ports/sql.ts';
import { kindOfNetworkCode } from './sql-errors.ts';

/** What the SDK's exceptions carry. */
interface ServiceError extends Error {
  readonly code?: string;
  readonly $fault?: 'client' | 'server';
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const THROTTLED =
  /Throttl|TooManyRequests|RequestLimitExceeded|ProvisionedThroughputExceeded|TransactionConflict|SlowDown/;
const TIMED_OUT = new Set(['TimeoutError', 'RequestTimeout', 'RequestTimeoutException']);

export function isTransient(error: unknown): boolean {
  if (error instanceof SqlError) return error.kind === 'transient' || error.kind === 'unavailable';
  // Somebody else wrote first: the step reads again.
  if (error instanceof VersionConflict || error instanceof FlagsConflict) return true;
  if (!(error instanceof Error)) return false;
  const { name, code, $fault, $metadata } = error as ServiceError;
  const status = $metadata?.httpStatusCode ?? 0;
  return (
    TIMED_OUT.has(name) ||
    THROTTLED.test(name) ||
    status === 429 ||
    status >= 500 ||
    $fault === 'server' ||
    kindOfNetworkCode(code) === 'unavailable'
  );
}

/** `retries` and `backoff` of the plan's backfill section (guide phase 3: exponential_backoff_3x). */
import { retryDelay } from '../../domain/retry-schedule.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Deps } from '../deps.ts';

/**
 * Repeats work that may be repeated. A store that is down is waited for as well, as long as the retries last; then the machine's
 * own retries take over.
 * @throws {SqlError} the last one.
 */
export async function withRetries<Result>(deps: Deps, what: string, work: () => Promise<Result>): Promise<Result> {
  const { retries, backoff } = deps.plan.backfill;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const mayPass = error instanceof SqlError && (error.kind === 'transient' || error.kind === 'unavailable');
      if (!mayPass || attempt > retries) throw error;
      const waitMs = retryDelay(backoff, attempt, Math.random());
      deps.log.warn('a batch is tried again', { what, attempt, waitMs, reason: error.message });
      await deps.clock.sleep(waitMs);
    }
  }
}

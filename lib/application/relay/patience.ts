/**
 * Transient failures inside one batch. A time-out may be one row's fault (somebody holds its lock) or the store's, and only the
 * first may cost an event a try: an outage of minutes must end with nothing in the dead-letter queue. And taking a batch apart
 * costs a time-out a row, so a tenant whose rows keep failing waits, uncounted, instead of keeping everybody else waiting.
 */
import { NO_TENANT } from '../../domain/table.ts';
import type { Clock } from '../../ports/clock.ts';
import { SqlError, type SqlSession } from '../../ports/sql.ts';
import type { EventMark } from '../../sql/relay/mark-events.ts';
import { probeStore } from '../../sql/relay/probe-store.ts';

/** Rows of one tenant that may fail in a batch before its other rows wait: 5 time-outs of 500 ms. */
const FAILURES_A_TENANT = 5;

interface OfTenant {
  readonly seq: bigint;
  readonly newTenant: string | null;
  readonly oldTenant: string | null;
}

export interface PatienceOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** A store that needs longer than this to read one row is to blame itself, in milliseconds. */
  readonly slowMs: number;
  /** How long the other rows of a failing tenant wait, in milliseconds. */
  readonly waitMs: number;
}

export interface Patience<Event> {
  split(events: readonly Event[]): { readonly now: readonly Event[]; readonly later: readonly EventMark[] };
  /** @throws {SqlError} `unavailable`, when it was the store. */
  judge(event: Event, failure: unknown): Promise<void>;
}

export function createPatience<Event extends OfTenant>(
  store: SqlSession,
  { clock, slowMs, waitMs }: PatienceOptions,
): Patience<Event> {
  const failures = new Map<string, number>();
  const failuresOf = (event: Event) => failures.get(tenantOf(event)) ?? 0;
  return {
    split: (events) => {
      const isLate = (event: Event) => failuresOf(event) >= FAILURES_A_TENANT;
      const reason = `waits: ${FAILURES_A_TENANT} other rows of its tenant in the batch failed in a way that may pass`;
      return {
        now: events.filter((event) => !isLate(event)),
        later: events.filter(isLate).map(({ seq }) => ({ seq: String(seq), state: 'pending', reason, waitMs })),
      };
    },
    judge: async (event, failure) => {
      if (!(failure instanceof SqlError) || failure.kind !== 'transient') return;
      await requireAwake(store, clock, slowMs, failure);
      failures.set(tenantOf(event), failuresOf(event) + 1);
    },
  };
}

async function requireAwake(
  store: SqlSession,
  clock: Pick<Clock, 'now'>,
  slowMs: number,
  failure: SqlError,
): Promise<void> {
  const began = clock.now().getTime();
  let why: string;
  try {
    await store.query(probeStore);
    const took = clock.now().getTime() - began;
    if (took <= slowMs) return;
    why = `it took ${took} ms to read one row`;
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    why = error.message;
  }
  throw new SqlError(`the store as a whole does not answer in time (${why}): ${failure.message}`, {
    kind: 'unavailable',
    sqlState: failure.sqlState,
  });
}

function tenantOf({ newTenant, oldTenant }: OfTenant): string {
  return newTenant ?? oldTenant ?? NO_TENANT;
}

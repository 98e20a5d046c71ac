/**
 * The breaker of target reads as one container runs it: failures are counted here, the state is shared through the `breaker`
 * document and written on transitions only. When the document cannot be reached the container goes by what it knows.
 */

import { type Admission, admit, type Breaker, CLOSED_BREAKER, claimProbe, close, open } from '../../domain/breaker.ts';
import type { Plan } from '../../plan/plan.ts';
import { VersionConflict } from '../../ports/documents.ts';
import type { Deps } from '../deps.ts';
import { createCached } from './cached.ts';
import { withinTime } from './within-time.ts';

export const BREAKER_ID = 'target-read';

export interface ReadBreaker {
  /** `refuse`: legacy answers. `probe`: this container holds the lease of the one probe. */
  admit(): Promise<Admission>;
  succeed(admission: Admission): Promise<void>;
  fail(admission: Admission, reason: string): Promise<void>;
  /** As this container knows it. */
  state(): Promise<Breaker>;
}

export type BreakerDeps = Pick<Deps, 'documents' | 'clock' | 'log' | 'metrics' | 'newId'>;

export interface BreakerNumbers {
  readonly failureThreshold: number;
  readonly openForMs: number;
  /** Lease of a probe: longer than a read may take. */
  readonly probeForMs: number;
}

export function breakerNumbers({ reads }: Plan): BreakerNumbers {
  // A probe that is not back after twice its limit will not come back.
  return {
    failureThreshold: reads.failureThreshold,
    openForMs: reads.breakerOpenFor,
    probeForMs: 2 * reads.timeout + 1_000,
  };
}

/** How old another container's transition may be before this one acts on it. */
const SHARED_FOR_MS = 1_000;
const PATIENCE_MS = 100;
const FIRST_PATIENCE_MS = 1_000;

interface Shared {
  readonly breaker: Breaker;
  /** 0: there is no document yet. */
  readonly version: number;
}

export function createReadBreaker(deps: BreakerDeps, numbers: BreakerNumbers): ReadBreaker {
  const { documents, clock, log, metrics } = deps;
  const owner = deps.newId();
  let failures = 0;
  const shared = createCached<Shared>({
    clock,
    ttlMs: SHARED_FOR_MS,
    patienceMs: PATIENCE_MS,
    firstPatienceMs: FIRST_PATIENCE_MS,
    load: async () => {
      const stored = await documents.get('breaker', BREAKER_ID);
      return { breaker: stored?.value ?? CLOSED_BREAKER, version: stored?.version ?? 0 };
    },
    onFailure: (error) => log.warn('the breaker document cannot be read', { error: String(error) }),
  });
  const known = async (): Promise<Shared> => (await shared.get()) ?? { breaker: CLOSED_BREAKER, version: 0 };

  /** @returns false when another container changed the breaker first. */
  const move = async (from: Shared, next: Breaker): Promise<boolean> => {
    shared.set({ breaker: next, version: from.version });
    const put = documents.put('breaker', BREAKER_ID, next, from.version === 0 ? 'absent' : from.version);
    try {
      const written = await withinTime(clock, PATIENCE_MS, put);
      if (written === undefined) shared.expire();
      else shared.set({ breaker: next, version: written.value });
      return true;
    } catch (error) {
      if (error instanceof VersionConflict) {
        shared.expire();
        return false;
      }
      log.warn('the breaker document cannot be written', { state: next.state, error: String(error) });
      return true;
    }
  };

  const trip = async (from: Shared, reason: string): Promise<void> => {
    failures = 0;
    log.warn('the breaker of target reads opens', { reason });
    if (await move(from, open(from.breaker, clock.now(), reason))) metrics.record('breakerOpened', 1);
  };

  return {
    admit: async () => {
      const from = await known();
      const admission = admit(from.breaker, clock.now(), numbers.openForMs);
      if (admission !== 'probe') return admission;
      const claimed = claimProbe(from.breaker, owner, clock.now(), numbers.probeForMs);
      return (await move(from, claimed)) ? 'probe' : 'refuse';
    },
    succeed: async (admission) => {
      failures = 0;
      if (admission !== 'probe') return;
      const from = await known();
      if (isOurProbe(from.breaker, owner)) await move(from, close(from.breaker));
    },
    fail: async (admission, reason) => {
      const from = await known();
      if (admission === 'probe') {
        if (isOurProbe(from.breaker, owner)) await trip(from, `the probe failed: ${reason}`);
        return;
      }
      if (from.breaker.state !== 'closed') return;
      failures += 1;
      if (failures >= numbers.failureThreshold)
        await trip(from, `${failures} consecutive failures, the last: ${reason}`);
    },
    state: async () => (await known()).breaker,
  };
}

function isOurProbe(breaker: Breaker, owner: string): boolean {
  return breaker.state === 'half-open' && breaker.probeOwner === owner;
}

/**
 * The breaker of target reads (guide phase 4, design §6): closed, open, half-open. Consecutive failures are counted in the
 * container that sees them; this shape is what containers share, and it is written on transitions only.
 */
export const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

export interface Breaker {
  readonly state: BreakerState;
  /** ISO time; null while closed. */
  readonly openedAt: string | null;
  readonly reason: string;
  /** Who may send the one probe of the half-open state, and until when nobody else may. */
  readonly probeOwner: string | null;
  readonly probeUntil: string | null;
  /** How often it opened since the weight was last set, failed probes included. */
  readonly openings: number;
}

export const CLOSED_BREAKER: Breaker = {
  state: 'closed',
  openedAt: null,
  reason: '',
  probeOwner: null,
  probeUntil: null,
  openings: 0,
};

/** `probe`: this read may go to the target if its container wins the lease; all others are answered by legacy. */
export const ADMISSIONS = ['read', 'probe', 'refuse'] as const;
export type Admission = (typeof ADMISSIONS)[number];

/** @param openForMs time after opening until a probe may be sent. */
export function admit(breaker: Breaker, now: Date, openForMs: number): Admission {
  if (breaker.state === 'closed') return 'read';
  if (breaker.state === 'open') return isPast(breaker.openedAt, now, openForMs) ? 'probe' : 'refuse';
  // A probe whose container died never reports; its lease frees the next one.
  return isPast(breaker.probeUntil, now, 0) ? 'probe' : 'refuse';
}

/** The half-open state with the probe's lease; who writes it first, by version, sends the probe. */
export function claimProbe(breaker: Breaker, owner: string, now: Date, leaseMs: number): Breaker {
  return {
    ...breaker,
    state: 'half-open',
    probeOwner: owner,
    probeUntil: new Date(now.getTime() + leaseMs).toISOString(),
  };
}

export function open(breaker: Breaker, now: Date, reason: string): Breaker {
  return {
    state: 'open',
    openedAt: now.toISOString(),
    reason,
    probeOwner: null,
    probeUntil: null,
    openings: breaker.openings + 1,
  };
}

export function close(breaker: Breaker): Breaker {
  return { ...CLOSED_BREAKER, openings: breaker.openings };
}

function isPast(since: string | null, now: Date, afterMs: number): boolean {
  return since === null || now.getTime() >= Date.parse(since) + afterMs;
}

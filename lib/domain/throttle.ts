/**
 * How much of its rate the backfill may use, from what the target says (guide phase 3: no CPU spikes, no autovacuum storms; issue 5).
 * Slows down in steps at once, recovers step by step after calm looks, and always says why. Pure.
 *
 * A signal that a store does not have holds nobody back. One that is there and cannot be read does: half the rate, until it can.
 */
export const THROTTLE_SIGNALS = ['statement', 'replicationLag', 'connections', 'vacuum', 'deadRows', 'wal'] as const;
export type ThrottleSignal = (typeof THROTTLE_SIGNALS)[number];

/** A number in the signal's unit; `absent`: the store has no such thing. */
export type Reading = number | 'absent' | 'unreadable';
export type Readings = Readonly<Record<ThrottleSignal, Reading>>;

/** In the signal's unit: ms, ms, percent, tables, percent, MiB a second. Null: not watched. */
export type ThrottleLimits = Readonly<Record<ThrottleSignal, number | null>>;

/** Share of the rate at each level; the last one is a pause. */
export const THROTTLE_FACTORS = [1, 1 / 2, 1 / 4, 1 / 8, 0] as const;

export interface ThrottleState {
  /** Place in THROTTLE_FACTORS. */
  readonly level: number;
  /** Looks in a row at which every signal was well below its limit. */
  readonly calm: number;
  /** ISO time at which it last began to hold back; null at full rate. */
  readonly since: string | null;
  readonly reasons: readonly string[];
}

export const FULL_RATE: ThrottleState = { level: 0, calm: 0, since: null, reasons: [] };

/** Below this share of its limit a signal is calm; between it and the limit nothing changes. */
const CALM_SHARE = 0.8;
/** Looks that must be calm before the rate goes up by a step. */
export const CALM_LOOKS = 3;
/** From twice its limit on, a signal takes two steps at once. */
const STEEP = 2;

/**
 * The deepest level that a signal may ask for. Only lag pauses: it falls while nothing is written. A pause would never end for
 * statements (nothing is measured any more) and for connections (the pool keeps its own), and vacuum may run for hours.
 */
const DEEPEST: Readonly<Record<ThrottleSignal, number>> = {
  statement: 3,
  replicationLag: 4,
  connections: 3,
  vacuum: 1,
  deadRows: 2,
  wal: 3,
};
const DEEPEST_UNREADABLE = 1;

const WORDS: Readonly<Record<ThrottleSignal, { readonly name: string; readonly unit: string }>> = {
  statement: { name: 'statements of the copy take', unit: 'ms' },
  replicationLag: { name: 'replicas lag by', unit: 'ms' },
  connections: { name: 'connections in use:', unit: '%' },
  vacuum: { name: 'vacuum works on', unit: 'tables that are written' },
  deadRows: { name: 'dead rows:', unit: '%' },
  wal: { name: 'the target writes WAL at', unit: 'MiB/s' },
};

export function factorOf({ level }: ThrottleState): number {
  return THROTTLE_FACTORS[level] ?? 0;
}

/** One look. @param now ISO time. */
export function stepThrottle(
  state: ThrottleState,
  readings: Readings,
  limits: ThrottleLimits,
  now: string,
): ThrottleState {
  const signals = THROTTLE_SIGNALS.map((signal) => judge(signal, readings[signal], limits[signal]));
  const breached = signals.filter(({ share }) => share >= 1);
  const deepest = Math.max(0, ...breached.map((signal) => signal.deepest));
  const reasons = breached.map(({ reason }) => reason);
  if (deepest > state.level) {
    const step = breached.some(({ share, deepest: own }) => share >= STEEP && own > state.level) ? 2 : 1;
    return { level: Math.min(deepest, state.level + step), calm: 0, since: state.since ?? now, reasons };
  }
  if (state.level === 0) return FULL_RATE;
  // What asks for less than the present level does not keep it there.
  const holds = signals.some(({ share, deepest: own }) => share > CALM_SHARE && own >= state.level);
  if (holds) return { ...state, calm: 0, reasons: reasons.length > 0 ? reasons : state.reasons };
  const calm = state.calm + 1;
  if (calm < CALM_LOOKS) return { ...state, calm, reasons: reasons.length > 0 ? reasons : recovering(state.reasons) };
  const level = state.level - 1;
  if (level === 0) return FULL_RATE;
  return { level, calm: 0, since: state.since, reasons: reasons.length > 0 ? reasons : recovering(state.reasons) };
}

/** Exponentially weighted mean of durations: one slow statement is no trend. `previous` null: the first sample. */
export function weighDuration(previous: number | null, sample: number): number {
  const weight = 0.3;
  return previous === null ? sample : previous + weight * (sample - previous);
}

/** `half rate: …` for notes, logs and `backfill status`; null at full rate. */
export function describeThrottle(state: ThrottleState): string | null {
  if (state.level === 0) return null;
  const factor = factorOf(state);
  const pace = factor === 0 ? 'paused' : `at 1/${Math.round(1 / factor)} of the rate`;
  return `${pace} since ${state.since}: ${state.reasons.join('; ')}`;
}

interface Judged {
  /** Of its limit; 1 and more is a breach. */
  readonly share: number;
  readonly deepest: number;
  readonly reason: string;
}

function judge(signal: ThrottleSignal, reading: Reading, limit: number | null): Judged {
  const { name, unit } = WORDS[signal];
  if (limit === null || reading === 'absent') return { share: 0, deepest: 0, reason: '' };
  if (reading === 'unreadable' || !Number.isFinite(reading))
    return {
      share: 1,
      deepest: DEEPEST_UNREADABLE,
      reason: `${signal} of the target cannot be read; grant pg_monitor to the compare role (plan roles)`,
    };
  const share = limit <= 0 ? (reading > 0 ? Number.POSITIVE_INFINITY : 0) : reading / limit;
  return { share, deepest: DEEPEST[signal], reason: `${name} ${round(reading)} ${unit}, limit ${limit}` };
}

function round(value: number): number {
  return value < 10 ? Math.round(value * 10) / 10 : Math.round(value);
}

function recovering(reasons: readonly string[]): readonly string[] {
  return reasons.map((reason) => (reason.startsWith('recovering from: ') ? reason : `recovering from: ${reason}`));
}

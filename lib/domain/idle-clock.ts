/** A time without something, known by looking now and then: only looks that are close enough together make a proof. Pure. */
export interface IdleClock {
  /** ISO; since when every look found nothing. */
  readonly since: string;
  readonly lastLook: string;
  readonly looks: number;
}

export interface Look {
  readonly idle: boolean;
  readonly now: Date;
  /** Two looks further apart prove nothing about the time between them. */
  readonly maxGapMs: number;
}

/** @returns the clock after a look; null: it does not run, because something was there. */
export function lookAgain(clock: IdleClock | null, { idle, now, maxGapMs }: Look): IdleClock | null {
  if (!idle) return null;
  const at = now.toISOString();
  const broken = clock === null || now.getTime() - Date.parse(clock.lastLook) > maxGapMs;
  return broken ? { since: at, lastLook: at, looks: 1 } : { since: clock.since, lastLook: at, looks: clock.looks + 1 };
}

export function idleFor(clock: IdleClock | null): number {
  return clock === null ? 0 : Date.parse(clock.lastLook) - Date.parse(clock.since);
}

/** Time between two looks: twenty of them at least, a second at least, five minutes at most. */
export function lookEvery(wantedMs: number): number {
  return Math.min(300_000, Math.max(1_000, wantedMs / 20));
}

/** A late look still counts: a machine that waits is called again after its wait, and some time for the call itself. */
export function longestGap(wantedMs: number): number {
  return 3 * lookEvery(wantedMs) + 60_000;
}

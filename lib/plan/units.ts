/**
 * Units of the plan file. One convention everywhere: in the file a duration is text with its unit (`72h`, `500ms`); in the
 * parsed `Plan` the same key holds a number of milliseconds. A percentage is a number from 0 to 100 under a key that ends in
 * `Percent`; a share is a number from 0 to 1; everything else is a count.
 */
export const DURATION_UNITS = ['ms', 's', 'm', 'h', 'd'] as const;
export type DurationUnit = (typeof DURATION_UNITS)[number];

/** A number of milliseconds. */
export type Milliseconds = number;

export const MILLISECONDS: Readonly<Record<DurationUnit, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

export const DURATION_PATTERN = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/;
export const DURATION_FORM = 'a duration with its unit, such as "500ms", "90s", "15m", "72h" or "7d"';

/**
 * `"72h"` to milliseconds.
 * @throws {RangeError} where the text is no number with one of the units, or no whole number of milliseconds
 */
export function parseDuration(text: string): Milliseconds {
  const match = DURATION_PATTERN.exec(text);
  if (match === null) throw new RangeError(`expected ${DURATION_FORM}${describeWrongDuration(text)}`);
  const [, amount, unit] = match;
  // Rounded to a nanosecond first: 0.07 s is 70.00000000000001 ms in binary floating point.
  const milliseconds = Math.round(Number(amount) * MILLISECONDS[unit as DurationUnit] * 1e6) / 1e6;
  if (!Number.isSafeInteger(milliseconds)) {
    throw new RangeError(`expected a whole number of milliseconds below 2^53; got "${text}"`);
  }
  return milliseconds;
}

/** Milliseconds to the shortest text that `parseDuration` reads back: 259200000 to `3d`, 5400000 to `90m`. */
export function formatDuration(milliseconds: Milliseconds): string {
  if (milliseconds === 0) return '0s';
  const unit = DURATION_UNITS.findLast((candidate) => milliseconds % MILLISECONDS[candidate] === 0) ?? 'ms';
  return `${milliseconds / MILLISECONDS[unit]}${unit}`;
}

/** What is wrong with a value that should be a duration; quotes it only where it cannot be a secret. */
export function describeWrongDuration(value: unknown): string {
  if (typeof value === 'number') return `; ${value} has no unit`;
  if (typeof value !== 'string') return '';
  const match = /^(-?[\d.,]{1,15})\s*([a-zA-Z]{0,12})$/.exec(value);
  if (match === null) return '';
  const [, amount, unit = ''] = match;
  if (unit === '') return `; "${amount}" has no unit`;
  return `; got "${value}", where the units are ${DURATION_UNITS.join(', ')}`;
}

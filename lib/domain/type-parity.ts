/** Whether values of one PostgreSQL type fit another without a cast that loses something (guide, phase 1). Types as `format_type` prints them. */
export const TYPE_FITS = ['same', 'wider', 'narrower', 'different'] as const;
/** `wider`: every value keeps its meaning. `narrower`: the same kind of value, with less room. `different`: neither is sure. */
export type TypeFit = (typeof TYPE_FITS)[number];

interface ParsedType {
  readonly base: string;
  readonly numbers: readonly number[];
  readonly array: string;
}

/** Room of whole numbers, in bits. */
const WHOLE: Readonly<Record<string, number>> = { smallint: 16, integer: 32, bigint: 64 };
/** Decimal digits that hold every value of a whole type. */
const WHOLE_DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };
const TEXTS = new Set(['text', 'character varying']);
const TIMES = new Set([
  'timestamp without time zone',
  'timestamp with time zone',
  'time without time zone',
  'time with time zone',
  'interval',
]);
const UNBOUNDED = Number.POSITIVE_INFINITY;
/** Microseconds: what a time has when nothing is said. */
const FULL_PRECISION = 6;

export function fitOf(from: string, to: string): TypeFit {
  if (from === to) return 'same';
  const a = parseType(from);
  const b = parseType(to);
  if (a.array !== b.array) return 'different';
  const whole = WHOLE[a.base];
  if (whole !== undefined) return fitOfWhole(a.base, whole, b);
  if (a.base === 'numeric') return fitOfNumeric(a, b);
  if (TEXTS.has(a.base) && TEXTS.has(b.base)) return compare(a.numbers[0] ?? UNBOUNDED, b.numbers[0] ?? UNBOUNDED);
  if (a.base !== b.base) return a.base === 'double precision' && b.base === 'real' ? 'narrower' : 'different';
  if (TIMES.has(a.base)) return compare(a.numbers[0] ?? FULL_PRECISION, b.numbers[0] ?? FULL_PRECISION);
  // character(n) and bit(n) pad, so another length is another value.
  if (a.base === 'bit varying') return compare(a.numbers[0] ?? UNBOUNDED, b.numbers[0] ?? UNBOUNDED);
  return 'different';
}

function fitOfWhole(base: string, room: number, to: ParsedType): TypeFit {
  const other = WHOLE[to.base];
  if (other !== undefined) return compare(room, other);
  if (to.base !== 'numeric') return 'different';
  const digits = digitsOf(to);
  return digits.before >= (WHOLE_DIGITS[base] ?? UNBOUNDED) ? 'wider' : 'narrower';
}

function fitOfNumeric(from: ParsedType, to: ParsedType): TypeFit {
  if (WHOLE[to.base] !== undefined) return 'narrower';
  if (to.base !== 'numeric') return 'different';
  const a = digitsOf(from);
  const b = digitsOf(to);
  if (a.before === b.before && a.after === b.after) return 'same';
  return b.before >= a.before && b.after >= a.after ? 'wider' : 'narrower';
}

/** Digits before and after the point. */
function digitsOf({ numbers: [precision, scale = 0] }: ParsedType): {
  readonly before: number;
  readonly after: number;
} {
  if (precision === undefined) return { before: UNBOUNDED, after: UNBOUNDED };
  return { before: precision - scale, after: Math.max(scale, 0) };
}

function compare(from: number, to: number): TypeFit {
  if (from === to) return 'same';
  return from < to ? 'wider' : 'narrower';
}

function parseType(type: string): ParsedType {
  const array = /(\[\])+$/.exec(type)?.[0] ?? '';
  const element = array === '' ? type : type.slice(0, -array.length);
  const modifier = /\((-?\d+)(?:,(-?\d+))?\)/.exec(element);
  const numbers = (modifier?.slice(1) ?? []).flatMap((text) => (text === undefined ? [] : [Number(text)]));
  return { base: element.replace(/\(-?\d+(?:,-?\d+)?\)/, '').trim(), numbers, array };
}

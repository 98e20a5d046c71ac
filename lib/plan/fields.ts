/**
 * The kinds of value that a plan holds. Each field carries its description and its unit, from which the JSON Schema for editors
 * and the reference in docs/plan.md derive; each message says what is expected.
 */
import { z } from 'zod';
import {
  DURATION_FORM,
  DURATION_PATTERN,
  describeWrongDuration,
  formatDuration,
  type Milliseconds,
  parseDuration,
} from './units.ts';

export interface DurationRange {
  readonly min?: string;
  readonly max?: string;
  /** The duration is a multiple of this one. */
  readonly step?: string;
}

/** Text such as `72h` in the file, milliseconds in the plan. */
export function duration(about: string, range: DurationRange = {}) {
  return durationText(DURATION_PATTERN)
    .transform((text, context): Milliseconds => readDuration(text, range, context))
    .meta({ description: about, 'x-unit': 'duration' });
}

/** As `duration`, or the word `none` (null in the plan): no limit. */
export function durationOrNone(about: string, range: DurationRange = {}) {
  return durationText(new RegExp(`^none$|${DURATION_PATTERN.source}`), ', or none')
    .transform((text, context): Milliseconds | null => (text === 'none' ? null : readDuration(text, range, context)))
    .meta({ description: about, 'x-unit': 'duration or none' });
}

export function count(about: string, min: number, max: number) {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z
    .int({ error: expected })
    .min(min, { error: expected })
    .max(max, { error: expected })
    .meta({ description: about, 'x-unit': 'count' });
}

export function percent(about: string) {
  return decimal(about, 0, 100, 'percent');
}

/** A part of the whole, 0 to 1, as the guide writes its canary weight. */
export function share(about: string) {
  return decimal(about, 0, 1, 'share, 0 to 1');
}

export function decimal(about: string, min: number, max: number, unit: string) {
  const expected = `expected a number from ${min} to ${max} (${unit})`;
  return z
    .number({ error: expected })
    .min(min, { error: expected })
    .max(max, { error: expected })
    .meta({ description: about, 'x-unit': unit });
}

export function flag(about: string) {
  return z.boolean({ error: 'expected true or false' }).meta({ description: about });
}

export function choice<const Values extends readonly [string, ...string[]]>(about: string, values: Values) {
  return z.enum(values, { error: `expected one of: ${values.join(', ')}` }).meta({ description: about });
}

export function text(about: string, pattern: RegExp, expected: string) {
  return z
    .string({ error: `expected ${expected}` })
    .regex(pattern, { error: `expected ${expected}` })
    .meta({ description: about });
}

/** A name as the PostgreSQL catalogue holds it: case counts, no quotes are written around it. */
export const IDENTIFIER_PATTERN = /^[^."\p{Cc}]{1,63}$/u;
export const IDENTIFIER_FORM =
  'the name of a column as the catalogue has it (1 to 63 characters, without quotes or dots)';

export function columnName(about: string) {
  return text(about, IDENTIFIER_PATTERN, IDENTIFIER_FORM);
}

export const SECRET_ARN_PATTERN = /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+$/;

export function secretArn(about: string) {
  return text(
    about,
    SECRET_ARN_PATTERN,
    'the ARN of a Secrets Manager secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME)',
  );
}

export function listOf<Item extends z.ZodType>(about: string, item: Item, minimum = 0) {
  const expected = minimum === 0 ? 'expected a list' : `expected a list of at least ${minimum}`;
  return z.array(item, { error: expected }).min(minimum, { error: expected }).meta({ description: about });
}

/** A mapping; a key without a value (`orders:`) is an empty one where `mayBeEmpty`. */
export function emptyAsMapping(value: unknown): unknown {
  return value === null ? {} : value;
}

function durationText(pattern: RegExp, alternative = '') {
  const error = (issue: { readonly input?: unknown }) =>
    `expected ${DURATION_FORM}${alternative}${describeWrongDuration(issue.input)}`;
  return z.string({ error }).regex(pattern, { error });
}

interface RefusingContext {
  addIssue(issue: { code: 'custom'; message: string; input: unknown }): void;
}

function readDuration(text: string, { min, max, step }: DurationRange, context: RefusingContext): Milliseconds {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message, input: text });
    return z.NEVER;
  };
  try {
    const milliseconds = parseDuration(text);
    if (min !== undefined && milliseconds < parseDuration(min))
      return refuse(`expected at least ${min}; got ${formatDuration(milliseconds)}`);
    if (max !== undefined && milliseconds > parseDuration(max))
      return refuse(`expected at most ${max}; got ${formatDuration(milliseconds)}`);
    if (step !== undefined && milliseconds % parseDuration(step) !== 0)
      return refuse(`expected a multiple of ${step}; got ${formatDuration(milliseconds)}`);
    return milliseconds;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

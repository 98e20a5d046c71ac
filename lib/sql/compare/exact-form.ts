/**
 * The binary form of a row, for the digests `exact` and `md5`: what record_send gives of the compared columns. Every field has
 * its length and NULL has none, so that no value can imitate a boundary; numbers and times are their bits, so that no session
 * setting matters. record_send also gives the types' OIDs: only built-in ones stand in the record, which are the same everywhere.
 */
import { castTo, comparedType } from './compared-types.ts';

export interface ComparedValue {
  /** SQL of the value before any cast. */
  readonly value: string;
  /** The one declared type, as `format_type` prints it. */
  readonly type: string;
}

/**
 * textsend and jsonb_send answer in the client's encoding, and convert_to costs a third of the whole digest: sessions in UTF-8, as
 * all of Crossfade's are, use the former, all others the latter, and both give the same bytes.
 */
type Encoding = 'sent' | 'converted';

/** bytea, never NULL. */
export function exactRecord(values: readonly ComparedValue[]): string {
  const of = (encoding: Encoding) =>
    `record_send(ROW(${values.map((value) => exactField(value, encoding)).join(', ')}))`;
  const [sent, converted] = [of('sent'), of('converted')];
  // The subquery is an InitPlan: asked once a statement.
  return sent === converted
    ? sent
    : `CASE WHEN (SELECT pg_client_encoding() = 'UTF8') THEN ${sent} ELSE ${converted} END`;
}

function exactField({ value, type }: ComparedValue, encoding: Encoding): string {
  const { base, isArray, kind } = comparedType(type);
  const typed = castTo(value, type);
  if (isArray && kind === 'styled') return arrayBytes(typed, base);
  if (base === 'jsonb' && !isArray) return jsonbBytes(typed, encoding);
  // An array's binary form tells whether it ever held a NULL, its text only whether it holds one now.
  if (kind === 'text' || kind === 'printed' || kind === 'own' || isArray) return textBytes(typed, encoding);
  return oneNaN(typed, base);
}

function textBytes(value: string, encoding: Encoding): string {
  return encoding === 'sent' ? `textsend((${value})::text)` : `convert_to((${value})::text, 'UTF8')`;
}

/** jsonb_send puts its version before the text, and saves building the text twice. */
function jsonbBytes(value: string, encoding: Encoding): string {
  return encoding === 'sent' ? `jsonb_send(${value})` : `('\\x01'::bytea || convert_to((${value})::text, 'UTF8'))`;
}

/** Dimensions with their lower bounds, then the elements in an array made anew. */
function arrayBytes(value: string, base: string): string {
  const elements = `ARRAY(SELECT ${oneNaN('e.value', base)} FROM unnest(${value}) WITH ORDINALITY AS e(value, place) ORDER BY e.place)`;
  return `CASE WHEN (${value}) IS NOT NULL THEN record_send(ROW(array_dims(${value}), ${elements})) END`;
}

/** inf - inf is another NaN than 'NaN', and no copy can carry the difference. -0 and 0 stay two. */
function oneNaN(value: string, base: string): string {
  if (base !== 'real' && base !== 'double precision') return value;
  return `CASE WHEN ${value} = 'NaN' THEN 'NaN' ELSE ${value} END`;
}

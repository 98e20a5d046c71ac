import { CORRELATION_CHARACTERS, CORRELATION_LENGTH } from '../domain/correlation.ts';
import { quoteLiteral } from './identifier.ts';

/** The setting that a session puts its correlation id in: `SELECT set_config('crossfade.correlation_id', $1, true)`. */
export const CORRELATION_SETTING = 'crossfade.correlation_id';

/** `cleanCorrelation` in SQL, for capture: what a session set is as untrusted as the header that it came from. */
export function cleanedCorrelation(): string {
  const given = `current_setting(${quoteLiteral(CORRELATION_SETTING)}, true)`;
  const clean = `regexp_replace(${given}, ${quoteLiteral(`[^${CORRELATION_CHARACTERS}]`)}, '', 'g')`;
  // An unset setting is NULL, or '' once a transaction that had set it is over; both cost nothing here.
  return `CASE WHEN ${given} <> '' THEN nullif(left(${clean}, ${CORRELATION_LENGTH}), '') END`;
}

/**
 * The id by which one write is followed from the request that made it to the row in the other store. It comes from callers and
 * is untrusted text: it ends up in logs, in messages, in SQL parameters and on terminals.
 */

/** Longest id that is kept, in characters. */
export const CORRELATION_LENGTH = 128;

/** Every other character is dropped: no control characters, no quotes, nothing that ends a comment of SQL. */
export const CORRELATION_CHARACTERS = 'A-Za-z0-9._:/+=@-';

const OTHERS = new RegExp(`[^${CORRELATION_CHARACTERS}]`, 'g');

/** @returns null when nothing usable is left. Clean text is returned unchanged. */
export function cleanCorrelation(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  const clean = text.replaceAll(OTHERS, '').slice(0, CORRELATION_LENGTH);
  return clean === '' ? null : clean;
}

/** version, trace id, parent id, flags (W3C Trace Context, level 1; a later version may add fields). */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/** The caller's own id wins; else the trace id of a valid W3C `traceparent`. Header names are in lower case. */
export function correlationOf(headers: Readonly<Record<string, string | undefined>> | undefined): string | null {
  const own = cleanCorrelation(headers?.['x-correlation-id']);
  return own ?? TRACEPARENT.exec(headers?.traceparent?.trim() ?? '')?.[1] ?? null;
}

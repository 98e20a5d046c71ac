import { createHash } from 'node:crypto';

/** SHA-256 of a value's JSON, hex: binds an approval or a record to exactly what was seen. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

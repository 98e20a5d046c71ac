import type { Statement } from '../statement.ts';

/** For the transaction only. Writers queue behind a DDL statement that waits, so it must not wait long (prior art: pgroll). */
export function setLockTimeout(ms: number): Statement {
  return { text: `SELECT set_config('lock_timeout', $1::text, true)`, values: [`${ms}ms`] };
}

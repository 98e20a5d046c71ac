/** One thing that would keep a row out of the target: names of columns and constraints, never values. */
import { SqlError, type SqlErrorKind } from '../../ports/sql.ts';

export const FAULTS = ['column', 'type', 'mapping', 'not-null', 'check', 'unique', 'foreign-key', 'other'] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  readonly store: 'legacy' | 'target';
  readonly kind: FaultKind;
  readonly column: string | null;
  readonly constraint: string | null;
  readonly message: string;
}

interface Place {
  readonly column?: string | undefined;
  readonly constraint?: string | undefined;
}

export function fault(
  store: Fault['store'],
  kind: FaultKind,
  message: string,
  { column, constraint }: Place = {},
): Fault {
  return { store, kind, column: column ?? null, constraint: constraint ?? null, message };
}

export function describeFault({ store, kind, column, message }: Fault): string {
  return `${store} ${kind}${column === null ? '' : ` ${column}`}: ${message}`;
}

const NOT_NULL_VIOLATION = '23502';
const CHECK_VIOLATION = '23514';
const KIND_OF: Readonly<Partial<Record<SqlErrorKind, FaultKind>>> = { unique: 'unique', 'foreign-key': 'foreign-key' };

/** @param kind what the statement was about, where the error itself does not say. */
export function toFault(store: Fault['store'], kind: FaultKind, error: SqlError, column?: string): Fault {
  const exact =
    error.sqlState === NOT_NULL_VIOLATION
      ? 'not-null'
      : error.sqlState === CHECK_VIOLATION
        ? 'check'
        : KIND_OF[error.kind];
  return fault(store, exact ?? kind, error.message, { column, constraint: error.constraint });
}

/** Found by asking each rule, and again by trying the write. */
export function isSameFault(one: Fault, other: Fault): boolean {
  return one.kind === other.kind && (one.kind === 'not-null' || one.constraint === other.constraint);
}

export function isRowsFault(error: unknown): error is SqlError {
  return error instanceof SqlError && ['permanent', 'unique', 'foreign-key'].includes(error.kind);
}

export type Asked<T> = { readonly answer: T } | { readonly error: SqlError };

/** The answer, or the error where the row is to blame for it. */
export async function ask<T>(question: Promise<T>): Promise<Asked<T>> {
  try {
    return { answer: await question };
  } catch (error) {
    if (isRowsFault(error)) return { error };
    throw error;
  }
}

/**
 * SQL behind one small port with two adapters, RDS Data API and `pg` (design §11), held to test/contract/sql.contract.ts.
 *
 * Values come back as: int2, int4, float4, float8 -> number; boolean -> boolean; NULL -> null; everything else -> the text
 * that PostgreSQL prints (int8, numeric, xid8, uuid). Queries cast timestamps, json, arrays and records to text themselves.
 */
import type { StoreName } from '../domain/direction.ts';
import type { Statement } from '../sql/statement.ts';

export type SqlResultValue = string | number | boolean | null;
export type SqlRow = Readonly<Record<string, SqlResultValue>>;

export interface SqlSession {
  /** @throws {SqlError} classified by what the caller may do about it. */
  query<Row = SqlRow>(statement: Statement): Promise<readonly Row[]>;
}

export interface SqlStore extends SqlSession {
  /** Commits when `work` resolves, rolls back when it throws. READ COMMITTED unless stated. */
  transaction<T>(work: (session: SqlSession) => Promise<T>, options?: { readonly readOnly?: boolean }): Promise<T>;
  close(): Promise<void>;
}

/** What Crossfade's roles are for (design §9); `roles` of a store in the plan gives each its own secret. */
export const PURPOSES = ['install', 'relay', 'apply', 'backfill', 'compare', 'fence', 'read'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** Opens (and caches) the session of one role on one store. */
export interface Databases {
  open(store: StoreName, purpose: Purpose): SqlStore;
  /** Largest result a query may return, in bytes: the Data API ends a call at 1 MiB; `pg` has no limit. */
  readonly pageBytes: number;
  close(): Promise<void>;
}

/**
 * `transient`: the same statement may succeed later. `unavailable`: the store is down or resuming, so nothing should be claimed.
 * `unique`, `foreign-key`: decided by the write protocol. `permanent`: this row can never succeed. `configuration`: wrong secret, role or ARN.
 * `limit`: a result or request was too large; ask for less.
 */
export const SQL_ERROR_KINDS = [
  'transient',
  'unavailable',
  'unique',
  'foreign-key',
  'permanent',
  'configuration',
  'limit',
] as const;
export type SqlErrorKind = (typeof SQL_ERROR_KINDS)[number];

export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly kind: SqlErrorKind;
  /** Five-character SQLSTATE, when the database gave one. */
  readonly sqlState: string | undefined;
  readonly constraint: string | undefined;

  constructor(
    message: string,
    options: { kind: SqlErrorKind; sqlState?: string | undefined; constraint?: string | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.sqlState = options.sqlState;
    this.constraint = options.constraint;
  }
}

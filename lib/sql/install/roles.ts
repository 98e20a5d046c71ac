/**
 * Crossfade's login roles, one a purpose (design §9), each with no more than its purpose needs. The same statements run in the
 * local environment and are printed for the administrators of real stores. Grants on the `crossfade` schema itself come with it (grants.ts).
 */
import { ROLE_PURPOSES, type RolePurpose } from '../../plan/stores.ts';
import { quoteIdentifier, quoteLiteral } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export interface RolesInput {
  readonly database: string;
  /** Login name and password of each purpose. */
  readonly logins: Readonly<Record<RolePurpose, { readonly role: string; readonly password: string }>>;
  /** Schemas of the plan's tables. */
  readonly schemas: readonly string[];
  /** Roles that own the plan's tables: install and fence become members, because only an owner may create triggers. */
  readonly owners: readonly string[];
  readonly limits: RoleLimits;
}

/** Milliseconds; they bind the server, so that a caller that gives up leaves no statement behind. */
export interface RoleLimits {
  /** `targetTimeout` of the plan. */
  readonly applyMs: number;
  /** `backfill.statementTimeout` of the plan. */
  readonly backfillMs: number;
  /** `reads.timeout` of the plan on the target. On legacy, which answers when the target does not, more. */
  readonly readMs: number;
}

interface Purpose {
  readonly tables: string;
  readonly sequences: string | null;
  /** Member of the tables' owners. */
  readonly owner: boolean;
  /** Sees other sessions' transactions in pg_stat_activity. */
  readonly monitor: boolean;
}

const PURPOSES: Readonly<Record<RolePurpose, Purpose>> = {
  install: { tables: 'SELECT', sequences: null, owner: true, monitor: false },
  relay: { tables: 'SELECT', sequences: null, owner: false, monitor: true },
  // Both stores: after switchover the same roles write legacy. Sequences fill columns that the target owns.
  apply: { tables: 'SELECT, INSERT, UPDATE, DELETE', sequences: 'USAGE', owner: false, monitor: false },
  backfill: { tables: 'SELECT, INSERT, UPDATE, DELETE', sequences: 'USAGE', owner: false, monitor: false },
  compare: { tables: 'SELECT', sequences: 'SELECT', owner: false, monitor: true },
  fence: { tables: 'SELECT', sequences: 'SELECT, UPDATE', owner: true, monitor: true },
  read: { tables: 'SELECT', sequences: null, owner: false, monitor: false },
};

/** What text of a value depends on must not depend on whoever connects (protocol: digests of both stores are compared). */
const COMMON_SETTINGS = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  client_encoding: 'UTF8',
  // The write protocol is proved for it, whatever the database's default is.
  default_transaction_isolation: 'read committed',
};

/** Each statement may be repeated: a second run sets passwords, settings and grants anew. */
export function createRoles(input: RolesInput): readonly Statement[] {
  const database = quoteIdentifier(input.database);
  const settings = roleSettings(input.limits, input.schemas);
  const texts = ROLE_PURPOSES.flatMap((purpose) => {
    const { role, password } = input.logins[purpose];
    const name = quoteIdentifier(role);
    const { tables, sequences, owner, monitor } = PURPOSES[purpose];
    return [
      createUnlessThere(role),
      `ALTER ROLE ${name} WITH LOGIN PASSWORD ${quoteLiteral(password)}`,
      ...Object.entries(settings[purpose]).map(([setting, value]) => `ALTER ROLE ${name} SET ${setting} = ${value}`),
      `GRANT CONNECT${purpose === 'install' ? ', CREATE' : ''} ON DATABASE ${database} TO ${name}`,
      ...input.schemas
        .map(quoteIdentifier)
        .flatMap((schema) => [
          `GRANT USAGE${purpose === 'install' ? ', CREATE' : ''} ON SCHEMA ${schema} TO ${name}`,
          `GRANT ${tables} ON ALL TABLES IN SCHEMA ${schema} TO ${name}`,
          ...(sequences === null ? [] : [`GRANT ${sequences} ON ALL SEQUENCES IN SCHEMA ${schema} TO ${name}`]),
        ]),
      ...(owner ? input.owners.map((ownerRole) => `GRANT ${quoteIdentifier(ownerRole)} TO ${name}`) : []),
      ...(monitor ? [`GRANT pg_monitor TO ${name}`] : []),
    ];
  });
  return texts.map((text) => ({ text, values: [] }));
}

/** Login names with one prefix; roles belong to a whole server, so two systems on one server need two prefixes. */
export function roleNames(prefix = 'crossfade'): Readonly<Record<RolePurpose, string>> {
  return Object.fromEntries(ROLE_PURPOSES.map((purpose) => [purpose, `${prefix}_${purpose}`])) as Record<
    RolePurpose,
    string
  >;
}

type Settings = Readonly<Record<string, string>>;

function roleSettings(limits: RoleLimits, schemas: readonly string[]): Readonly<Record<RolePurpose, Settings>> {
  // Triggers and defaults of the application run as the writer and may name its schemas' objects without a schema.
  const writes = { search_path: ['pg_catalog', ...schemas].map(quoteIdentifier).join(', ') };
  // A policy must raise an error instead of hiding rows from a digest or a copy.
  const everyRow = { row_security: 'off' };
  return {
    // No limit on statements or idle transactions: it builds indexes. Locks are asked for briefly and again.
    install: roleSetting({ statementMs: 0, lockMs: 2_000, idleMs: 0 }),
    relay: { ...roleSetting({ statementMs: 10_000, lockMs: 5_000 }), ...everyRow },
    apply: { ...roleSetting({ statementMs: limits.applyMs, lockMs: Math.min(200, limits.applyMs) }), ...writes },
    backfill: { ...roleSetting({ statementMs: limits.backfillMs, lockMs: 1_000 }), ...writes, ...everyRow },
    // Under the 45 s of the Data API, so that the server ends the statement and says so.
    compare: {
      ...roleSetting({ statementMs: 40_000, lockMs: 5_000 }),
      ...everyRow,
      default_transaction_read_only: 'on',
      // Hundreds of key ranges in one statement look dear enough to be compiled each time, which takes longer than reading them.
      jit: 'off',
    },
    fence: roleSetting({ statementMs: 40_000, lockMs: 5_000 }),
    read: {
      ...roleSetting({ statementMs: limits.readMs, lockMs: limits.readMs }),
      default_transaction_read_only: 'on',
    },
  };
}

/** A claimer that died holding rows lets go of them after this (design §3.2). */
const IDLE_MS = 10_000;

function roleSetting({
  statementMs,
  lockMs,
  idleMs = IDLE_MS,
}: {
  statementMs: number;
  lockMs: number;
  idleMs?: number;
}): Settings {
  const common = Object.entries(COMMON_SETTINGS).map(([setting, value]) => [setting, quoteLiteral(value)]);
  return {
    ...Object.fromEntries(common),
    search_path: quoteIdentifier('pg_catalog'),
    statement_timeout: quoteLiteral(`${statementMs}ms`),
    lock_timeout: quoteLiteral(`${lockMs}ms`),
    idle_in_transaction_session_timeout: quoteLiteral(`${idleMs}ms`),
  };
}

/** CREATE ROLE has no IF NOT EXISTS; two at once is not an error either. */
function createUnlessThere(role: string): string {
  return `DO $crossfade$ BEGIN CREATE ROLE ${quoteIdentifier(role)} LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $crossfade$`;
}

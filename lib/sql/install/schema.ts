/**
 * Crossfade's own schema, the same in both stores because each is the source of one direction and the receiver of the other
 * (protocol §1, §9.4). Every statement may be run again.
 */
import { GUARD_CASCADE_FUNCTION } from '../fence/cascade-guard.ts';
import type { Statement } from '../statement.ts';

const TEXTS: readonly string[] = [
  'CREATE SCHEMA IF NOT EXISTS crossfade',

  // ---- as a source ----
  // CACHE 1: a cached sequence hands out later numbers first (protocol §3.3).
  'CREATE SEQUENCE IF NOT EXISTS crossfade.outbox_seq AS bigint CACHE 1 NO CYCLE',
  `CREATE TABLE IF NOT EXISTS crossfade.source (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch integer NOT NULL DEFAULT 1,
  token_n bigint NOT NULL DEFAULT 0,
  token text,
  -- Highest token that the receiver has confirmed, as far as the source knows (protocol §8).
  acked_n bigint NOT NULL DEFAULT 0
)`,
  'INSERT INTO crossfade.source DEFAULT VALUES ON CONFLICT DO NOTHING',
  `CREATE TABLE IF NOT EXISTS crossfade.outbox (
  seq bigint PRIMARY KEY DEFAULT nextval('crossfade.outbox_seq'),
  epoch integer NOT NULL,
  xid xid8 NOT NULL,
  idempotency_key text NOT NULL,
  correlation_id text,
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  -- 'U' or 'D'. No CHECK constraints here: PostgreSQL parses them anew for every captured row, a fifth of what capture costs.
  op "char" NOT NULL,
  payload json,
  old_tenant text COLLATE "C",
  new_tenant text COLLATE "C",
  -- pending, retry, published, suppressed, superseded, covered, parked or dead
  state text NOT NULL DEFAULT 'pending',
  reason text,
  captured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  touched_at timestamptz,
  not_before timestamptz
)`,
  // By tenant first: claims take turns among the tenants that wait.
  `CREATE INDEX IF NOT EXISTS outbox_pending ON crossfade.outbox ((coalesce(new_tenant, old_tenant, '*')), seq) WHERE state = 'pending'`,
  // Undelivered events of a row: what makes a difference "in flight" instead of drift.
  `CREATE INDEX IF NOT EXISTS outbox_undelivered ON crossfade.outbox (table_name, row_key) WHERE state IN ('pending', 'retry', 'parked', 'dead')`,
  // Rows come in the order of capture; a B-tree would be written again by every mark.
  'CREATE INDEX IF NOT EXISTS outbox_captured ON crossfade.outbox USING brin (captured_at) WITH (pages_per_range = 16)',
  // For `trace`; a write without a correlation id, as most writes of a bulk load are, costs nothing.
  'CREATE INDEX IF NOT EXISTS outbox_correlation ON crossfade.outbox (correlation_id) WHERE correlation_id IS NOT NULL',
  // What happened to events that did not go the plain way. The outbox row keeps the last state only.
  `CREATE TABLE IF NOT EXISTS crossfade.event_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL,
  reason text,
  batch text
)`,
  'CREATE INDEX IF NOT EXISTS event_log_seq ON crossfade.event_log (seq)',
  // Suppressed events go first: they are found without reading what is kept.
  `CREATE INDEX IF NOT EXISTS outbox_suppressed ON crossfade.outbox (seq) WHERE state = 'suppressed'`,
  `CREATE TABLE IF NOT EXISTS crossfade.tenant_state (
  tenant text PRIMARY KEY,
  generation integer NOT NULL DEFAULT 0,
  is_on boolean NOT NULL DEFAULT false,
  stage text NOT NULL DEFAULT 'off',
  copied boolean NOT NULL DEFAULT false,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  why text NOT NULL DEFAULT '',
  -- Version of the flags that decided it; null: not the flags did.
  flags_version integer
)`,
  `CREATE TABLE IF NOT EXISTS crossfade.lease (
  name text PRIMARY KEY,
  holder text NOT NULL,
  until timestamptz NOT NULL
)`,

  // ---- as a receiver ----
  // floor '1:1:' sees nothing: no row version has been purged yet (protocol §6).
  `CREATE TABLE IF NOT EXISTS crossfade.control (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  authority bigint NOT NULL DEFAULT 1,
  direction text NOT NULL DEFAULT 'forward' CHECK (direction IN ('forward', 'reverse')),
  source_epoch integer NOT NULL DEFAULT 1,
  floor pg_snapshot NOT NULL DEFAULT '1:1:'
)`,
  'INSERT INTO crossfade.control DEFAULT VALUES ON CONFLICT DO NOTHING',
  `CREATE TABLE IF NOT EXISTS crossfade.row_version (
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  epoch integer NOT NULL,
  kind "char" NOT NULL CHECK (kind IN ('E', 'S')),
  seq bigint,
  xid xid8,
  snapshot pg_snapshot,
  deleted boolean NOT NULL,
  PRIMARY KEY (table_name, row_key),
  CHECK ((kind = 'E' AND seq IS NOT NULL AND xid IS NOT NULL AND snapshot IS NULL) OR (kind = 'S' AND snapshot IS NOT NULL AND seq IS NULL AND xid IS NULL))
)`,
  `CREATE TABLE IF NOT EXISTS crossfade.admission (
  tenant text PRIMARY KEY,
  generation integer NOT NULL,
  is_on boolean NOT NULL,
  opened_under pg_snapshot NOT NULL
)`,
  `CREATE TABLE IF NOT EXISTS crossfade.repair_queue (
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Of its first queueing: one that fails goes to the back of the queue, and must not look young for it.
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (table_name, row_key)
)`,
  // Whose turn it is: a tenant that moves may queue a million rows, and the queue is looked at every second.
  'CREATE INDEX IF NOT EXISTS repair_queue_turn ON crossfade.repair_queue (queued_at)',
  `CREATE TABLE IF NOT EXISTS crossfade.applied_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  idempotency_key text,
  correlation_id text,
  batch text NOT NULL,
  tenant text,
  generation integer,
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  kind "char" NOT NULL,
  epoch integer NOT NULL,
  seq bigint,
  snapshot pg_snapshot,
  action "char" NOT NULL CHECK (action IN ('U', 'D')),
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)`,
  'CREATE INDEX IF NOT EXISTS applied_log_row ON crossfade.applied_log (table_name, row_key)',
  'CREATE INDEX IF NOT EXISTS applied_log_correlation ON crossfade.applied_log (correlation_id) WHERE correlation_id IS NOT NULL',
  // Writes of roles that are not Crossfade's on a store that applications must not write yet (issue 4, foreign writers).
  `CREATE TABLE IF NOT EXISTS crossfade.foreign_write (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name text COLLATE "C" NOT NULL,
  -- Null for TRUNCATE, which has no rows.
  row_key text COLLATE "C",
  op "char" NOT NULL CHECK (op IN ('I', 'U', 'D', 'T', '?')),
  role_name text,
  application_name text,
  client_addr text,
  xid xid8,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  closed_at timestamptz,
  closed_by text
)`,
  'CREATE INDEX IF NOT EXISTS foreign_write_open ON crossfade.foreign_write (table_name, row_key) WHERE closed_at IS NULL',
  // What Crossfade's own chores remember: how far retention has come, the source's last token (protocol §6, §8). JSON, one row a chore.
  `CREATE TABLE IF NOT EXISTS crossfade.upkeep (
  name text PRIMARY KEY,
  state text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
)`,
  // What install put there, to notice what was replaced since: an object's name and the hash of its definition.
  `CREATE TABLE IF NOT EXISTS crossfade.installed (
  object text COLLATE "C" PRIMARY KEY,
  hash text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
)`,

  // Rows that the receiver held before Crossfade first wrote there: the way back restores them (protocol §5.4).
  `CREATE TABLE IF NOT EXISTS crossfade.before_image (
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  tenant text NOT NULL,
  row json NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (table_name, row_key)
)`,
  // Rows of the receiver as they were right before a repair wrote them: `repair undo` restores them. row NULL: there was none.
  `CREATE TABLE IF NOT EXISTS crossfade.repair_image (
  repair text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  tenant text,
  was_there boolean NOT NULL,
  row json,
  -- Newest entry of the applied log that the image holds: what was applied between image and repair is not taken back.
  log_id bigint NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (repair, table_name, row_key)
)`,
  // "p is not newer than r": total on one primary (protocol §2).
  `CREATE OR REPLACE FUNCTION crossfade.not_newer(p pg_snapshot, r pg_snapshot) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (pg_snapshot_xmax(p), -(SELECT count(*) FROM pg_snapshot_xip(p))) <= (pg_snapshot_xmax(r), -(SELECT count(*) FROM pg_snapshot_xip(r)))
$$`,
  // At or behind every event that the caller's transaction has captured: what a reader demands to see its own writes.
  `CREATE OR REPLACE FUNCTION crossfade.position() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT last_value FROM crossfade.outbox_seq $$`,
  // A BEFORE STATEMENT trigger created with this function fences a table: creating it waits for the writers already in it (protocol §9).
  // Its arguments are the roles that may still write.
  `CREATE OR REPLACE FUNCTION crossfade.refuse_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF session_user::text = ANY (TG_ARGV) THEN RETURN NULL; END IF;
  RAISE EXCEPTION 'Crossfade has fenced %.%: application writes belong to the other store (role %)', TG_TABLE_SCHEMA, TG_TABLE_NAME, session_user
    USING ERRCODE = 'read_only_sql_transaction', HINT = 'crossfade status shows which store is authoritative';
END
$$`,
  GUARD_CASCADE_FUNCTION,
  `CREATE OR REPLACE FUNCTION crossfade.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'Crossfade captures %.% row by row, and TRUNCATE has no rows', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'feature_not_supported', HINT = 'use DELETE while the migration runs';
END
$$`,
];

export function protocolSchema(): readonly Statement[] {
  return TEXTS.map((text) => ({ text, values: [] }));
}

export const DROP_PROTOCOL_SCHEMA: Statement = { text: 'DROP SCHEMA IF EXISTS crossfade CASCADE', values: [] };

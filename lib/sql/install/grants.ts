/** What each of Crossfade's roles may do in the `crossfade` schema; nothing is granted to applications (design §9). */
import type { Purpose } from '../../ports/sql.ts';
import { quoteIdentifier } from '../identifier.ts';
import type { Statement } from '../statement.ts';

const TABLE_GRANTS: Readonly<Record<Exclude<Purpose, 'install'>, Readonly<Record<string, string>>>> = {
  relay: {
    source: 'SELECT, UPDATE',
    outbox: 'SELECT, UPDATE, DELETE',
    event_log: 'SELECT, INSERT, DELETE',
    tenant_state: 'SELECT, INSERT, UPDATE',
    lease: 'SELECT, INSERT, UPDATE, DELETE',
    control: 'SELECT',
  },
  apply: {
    control: 'SELECT, UPDATE',
    row_version: 'SELECT, INSERT, UPDATE, DELETE',
    admission: 'SELECT, INSERT, UPDATE',
    repair_queue: 'SELECT, INSERT, UPDATE, DELETE',
    applied_log: 'SELECT, INSERT, DELETE',
    upkeep: 'SELECT, INSERT, UPDATE, DELETE',
    foreign_write: 'SELECT, INSERT, UPDATE, DELETE',
  },
  backfill: {
    control: 'SELECT, UPDATE',
    row_version: 'SELECT, INSERT, UPDATE, DELETE',
    admission: 'SELECT, INSERT, UPDATE',
    repair_queue: 'SELECT, INSERT, UPDATE, DELETE',
    applied_log: 'SELECT, INSERT, DELETE',
    source: 'SELECT',
    before_image: 'SELECT, INSERT, DELETE',
    repair_image: 'SELECT, INSERT, DELETE',
  },
  compare: {
    source: 'SELECT',
    outbox: 'SELECT',
    event_log: 'SELECT',
    tenant_state: 'SELECT',
    control: 'SELECT',
    row_version: 'SELECT',
    admission: 'SELECT',
    repair_queue: 'SELECT',
    applied_log: 'SELECT',
    before_image: 'SELECT (table_name, row_key, tenant)',
    repair_image: 'SELECT (repair, table_name, row_key, tenant, was_there, log_id)',
    upkeep: 'SELECT',
    foreign_write: 'SELECT',
    installed: 'SELECT',
  },
  fence: {
    control: 'SELECT, UPDATE',
    source: 'SELECT, UPDATE',
    tenant_state: 'SELECT, INSERT, UPDATE',
    outbox: 'SELECT',
    lease: 'SELECT',
  },
  // Without row contents: where delivery stands, for readers that demand to see their own writes.
  read: { control: 'SELECT', outbox: 'SELECT (seq, state, old_tenant, new_tenant)' },
};

/** @param roles the login role behind each purpose; one role may serve several in dev. */
export function protocolGrants(roles: Readonly<Record<Purpose, string>>): readonly Statement[] {
  const statements = Object.entries(TABLE_GRANTS).flatMap(([purpose, grants]) => {
    const role = quoteIdentifier(roles[purpose as Exclude<Purpose, 'install'>]);
    return [
      `GRANT USAGE ON SCHEMA crossfade TO ${role}`,
      ...Object.entries(grants).map(([table, privileges]) => `GRANT ${privileges} ON crossfade.${table} TO ${role}`),
    ];
  });
  // Fence triggers are created by the fence role and run this function as whoever writes.
  statements.push(
    // How far the source has come: whether it ever had an event that was applied.
    `GRANT SELECT ON SEQUENCE crossfade.outbox_seq TO ${quoteIdentifier(roles.relay)}`,
    'GRANT USAGE ON SCHEMA crossfade TO PUBLIC',
    'GRANT EXECUTE ON FUNCTION crossfade.refuse_write() TO PUBLIC',
    'GRANT EXECUTE ON FUNCTION crossfade.refuse_truncate() TO PUBLIC',
  );
  return statements.map((text) => ({ text, values: [] }));
}

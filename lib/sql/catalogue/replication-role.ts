import type { Statement } from '../statement.ts';

export interface ReplicationRoleRow {
  /** Role or database that the setting belongs to. */
  readonly holder: string;
  readonly setting: string;
}

/**
 * Roles and this database for which `session_replication_role` is set to something else than `origin`: their sessions skip
 * the application's own triggers and foreign keys, so what they write is not what was meant to be captured (protocol §3.6).
 */
export const replicationRoleSettings: Statement = {
  text: `
SELECT concat_ws(' in ', coalesce('role ' || r.rolname, 'every role'), 'database ' || d.datname) AS holder, setting
FROM pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS setting
LEFT JOIN pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
WHERE setting LIKE 'session\\_replication\\_role=%' AND setting <> 'session_replication_role=origin'
  AND (s.setdatabase = 0 OR d.datname = current_database())
ORDER BY 1`,
  values: [],
};

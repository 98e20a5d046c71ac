import type { Statement } from '../statement.ts';

export interface SessionGroupRow {
  readonly role: string;
  readonly application: string;
  readonly superuser: boolean;
  readonly connections: string;
}

/**
 * Client connections to this database, by who and what. Idle ones count: a pool that waits can write the next moment (prior art,
 * trap 42). Without pg_monitor the kind of backend is hidden and taken for a client's.
 */
export const clientSessions: Statement = {
  text: `
SELECT a.usename::text AS role, coalesce(a.application_name, '')::text AS application, coalesce(r.rolsuper, false) AS superuser, count(*)::text AS connections
FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.usename IS NOT NULL AND a.pid <> pg_backend_pid() AND coalesce(a.backend_type, 'client backend') = 'client backend'
GROUP BY 1, 2, 3 ORDER BY 1, 2`,
  values: [],
};

import type { Statement } from '../statement.ts';

export interface SessionRow {
  readonly role: string;
  readonly superuser: boolean;
  /** Milliseconds; 0: no limit. */
  readonly statement_timeout: string;
  readonly isolation: string;
}

/** Who a session is, and the limits that it works under. */
export const sessionSettings: Statement = {
  text: `
SELECT session_user::text AS role, (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS superuser,
       (SELECT setting FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout,
       current_setting('default_transaction_isolation') AS isolation`,
  values: [],
};

export interface RoleIsolationRow {
  readonly role: string;
  readonly isolation: string;
}

/** Isolation levels that roles (or the database, as role ``) have of their own. */
export function roleIsolation(roles: readonly string[]): Statement {
  return {
    text: `
SELECT coalesce(r.rolname, '')::text AS role, split_part(setting, '=', 2) AS isolation
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole CROSS JOIN LATERAL unnest(s.setconfig) AS setting
WHERE setting LIKE 'default_transaction_isolation=%' AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND (s.setrole = 0 OR r.rolname IN (SELECT json_array_elements_text($1::json)))
ORDER BY 1`,
    values: [JSON.stringify(roles)],
  };
}

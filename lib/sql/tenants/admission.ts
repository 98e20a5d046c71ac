/** The receiver's doors: an event or read of a tenant passes only while its door is open for its generation (protocol §5). */
import type { Statement } from '../statement.ts';
import { TENANTS_A_PAGE } from './page.ts';

export interface AdmissionRow {
  readonly tenant: string;
  readonly generation: number;
  readonly is_on: boolean;
}

/** One page, behind `after`. */
export function listAdmissions(after: string | null): Statement {
  return {
    text: `SELECT tenant, generation, is_on FROM crossfade.admission WHERE $1::text IS NULL OR tenant > $1::text ORDER BY tenant LIMIT ${TENANTS_A_PAGE}`,
    values: [after],
  };
}

/**
 * Step (iii) of "on". G only grows: a repeated call under the same generation keeps the first one. A snapshot of an epoch that is
 * over opens nothing: its transactions are another history's.
 */
export function openAdmission(tenant: string, generation: number, snapshot: string, epoch: number): Statement {
  return {
    text: `
INSERT INTO crossfade.admission AS a (tenant, generation, is_on, opened_under)
SELECT $1::text, $2::integer, true, $3::pg_snapshot FROM (SELECT FROM crossfade.control WHERE source_epoch = $4::integer FOR SHARE) AS same_history
ON CONFLICT (tenant) DO UPDATE SET generation = excluded.generation, is_on = true, opened_under = excluded.opened_under
WHERE a.generation < excluded.generation`,
    values: [tenant, generation, snapshot, epoch],
  };
}

/**
 * Waits for the applies that hold the row FOR SHARE; whoever waited behind it writes nothing. The closed door keeps the generation,
 * also where there was none: an "on" of it that comes late finds it closed, and a close that comes late leaves a newer door open.
 */
export function closeAdmission(tenant: string, generation: number): Statement {
  return {
    text: `
INSERT INTO crossfade.admission AS a (tenant, generation, is_on, opened_under) VALUES ($1::text, $2::integer, false, '1:1:')
ON CONFLICT (tenant) DO UPDATE SET generation = excluded.generation, is_on = false
WHERE a.generation <= excluded.generation
RETURNING tenant`,
    values: [tenant, generation],
  };
}

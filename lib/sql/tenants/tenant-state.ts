/** `crossfade.tenant_state` of a source: the authority on who is suppressed (protocol §1). */
import type { Stage } from '../../domain/stage.ts';
import type { Statement } from '../statement.ts';
import { TENANTS_A_PAGE } from './page.ts';

export interface TenantStateRow {
  readonly tenant: string;
  readonly generation: number;
  readonly is_on: boolean;
  readonly stage: Stage;
  readonly copied: boolean;
  readonly since: string;
  readonly why: string;
  /** Version of the flags that it was decided under; null: no flags decided it. */
  readonly flags_version: number | null;
}

const COLUMNS = `tenant, generation, is_on, stage, copied, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since, why, flags_version`;

/** One page, behind `after`. */
export function listTenantStates(after: string | null): Statement {
  return {
    text: `SELECT ${COLUMNS} FROM crossfade.tenant_state WHERE $1::text IS NULL OR tenant > $1::text ORDER BY tenant LIMIT ${TENANTS_A_PAGE}`,
    values: [after],
  };
}

/**
 * Step (i) of "on": a new generation, committed before G is taken. No effect on a tenant that is on.
 *
 * @param doorGeneration what the receiver's door has seen: a restored source may have forgotten generations (protocol §8).
 */
export function turnTenantOn(
  tenant: string,
  doorGeneration: number,
  stage: Stage,
  copied: boolean,
  why: string,
  flagsVersion: number | null = null,
): Statement {
  return {
    text: `
INSERT INTO crossfade.tenant_state AS t (tenant, generation, is_on, stage, copied, why, flags_version) VALUES ($1::text, $6::integer + 1, true, $2::text, $3::boolean, $4::text, $5::integer)
ON CONFLICT (tenant) DO UPDATE SET generation = greatest(t.generation, $6::integer) + 1, is_on = true, stage = excluded.stage, copied = excluded.copied, since = clock_timestamp(), why = excluded.why, flags_version = excluded.flags_version
WHERE NOT t.is_on
RETURNING ${COLUMNS}`,
    values: [tenant, stage, copied, why, flagsVersion, doorGeneration],
  };
}

export function turnTenantOff(tenant: string, why: string, flagsVersion: number | null = null): Statement {
  return {
    text: `
UPDATE crossfade.tenant_state SET is_on = false, stage = 'off', copied = false, since = clock_timestamp(), why = $2::text, flags_version = $3::integer
WHERE tenant = $1::text AND is_on RETURNING ${COLUMNS}`,
    values: [tenant, why, flagsVersion],
  };
}

export function setTenantStage(
  tenants: readonly string[],
  stage: Stage,
  why: string,
  flagsVersion: number | null = null,
): Statement {
  return {
    text: `
UPDATE crossfade.tenant_state SET stage = $2::text, since = clock_timestamp(), why = $3::text, flags_version = $4::integer
WHERE tenant IN (SELECT json_array_elements_text($1::json)) AND is_on AND stage <> $2::text RETURNING ${COLUMNS}`,
    values: [JSON.stringify(tenants), stage, why, flagsVersion],
  };
}

/** Step (v) of "on": its first copy under G has ended. */
export function markTenantsCopied(
  tenants: readonly { readonly tenant: string; readonly generation: number }[],
): Statement {
  return {
    text: `
UPDATE crossfade.tenant_state AS t SET copied = true FROM json_to_recordset($1::json) AS m(tenant text, generation integer)
WHERE t.tenant = m.tenant AND t.generation = m.generation AND t.is_on RETURNING t.tenant`,
    values: [JSON.stringify(tenants)],
  };
}

/** Lists with a row for each tenant are read in pages: there may be more tenants than one answer of the Data API holds. */
import type { SqlSession } from '../../ports/sql.ts';
import type { Statement } from '../../sql/statement.ts';
import { type AdmissionRow, listAdmissions } from '../../sql/tenants/admission.ts';
import { TENANTS_A_PAGE } from '../../sql/tenants/page.ts';
import { listTenantStates, type TenantStateRow } from '../../sql/tenants/tenant-state.ts';

export function readTenantStates(session: SqlSession): Promise<readonly TenantStateRow[]> {
  return readPages<TenantStateRow>(session, listTenantStates);
}

export function readAdmissions(session: SqlSession): Promise<readonly AdmissionRow[]> {
  return readPages<AdmissionRow>(session, listAdmissions);
}

async function readPages<Row extends { readonly tenant: string }>(
  session: SqlSession,
  pageAfter: (tenant: string | null) => Statement,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (;;) {
    const page = await session.query<Row>(pageAfter(rows.at(-1)?.tenant ?? null));
    rows.push(...page);
    if (page.length < TENANTS_A_PAGE) return rows;
  }
}

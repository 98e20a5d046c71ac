/** Whose turn it is in one shard: how much the next claim takes, behind which tenant it begins, and who gets little for a while. */
import { NO_TENANT } from '../../domain/table.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import { type ClaimedRow, type ClaimRequest, claimEvents } from '../../sql/relay/claim-events.ts';
import type { EventMark } from '../../sql/relay/mark-events.ts';
import type { Claimed } from './deliver.ts';

export interface Turns {
  /** Events of the next claim. */
  limit: number;
  afterTenant: string | null;
  /** Tenants whose events failed lately, and until when they get a small share of each claim. */
  readonly troubledUntil: Map<string, number>;
}

/** A tenant whose events failed gets a small share of each claim for this long. */
const TROUBLE_MS = 10_000;

export function firstTurn(limit: number): Turns {
  return { limit, afterTenant: null, troubledUntil: new Map() };
}

/** A claim's answer may be too large for the Data API, where keys are long: then it asks for less, and slowly for more again. */
export async function claimWithin(
  source: SqlStore,
  request: Omit<ClaimRequest, 'limit' | 'troubled' | 'afterTenant'>,
  turns: Turns,
  most: number,
  now: Date,
): Promise<readonly ClaimedRow[]> {
  const troubled = troubledTenants(turns, now);
  for (;;) {
    const { limit, afterTenant } = turns;
    try {
      const rows = await source.query<ClaimedRow>(claimEvents({ ...request, limit, troubled, afterTenant }));
      turns.limit = Math.min(most, limit + Math.ceil(most / 100));
      turns.afterTenant = rows[0]?.after_tenant ?? null;
      return rows;
    } catch (error) {
      if (!(error instanceof SqlError) || error.kind !== 'limit' || limit === 1) throw error;
      turns.limit = limit >> 1;
    }
  }
}

function troubledTenants({ troubledUntil }: Turns, now: Date): readonly string[] {
  for (const [tenant, until] of troubledUntil) if (until <= now.getTime()) troubledUntil.delete(tenant);
  return [...troubledUntil.keys()];
}

export function noteTrouble(
  { troubledUntil }: Turns,
  { events }: Claimed,
  marks: readonly EventMark[],
  now: Date,
): void {
  const failed = new Set(marks.filter(({ state }) => state === 'retry' || state === 'parked').map(({ seq }) => seq));
  if (failed.size === 0) return;
  for (const { seq, newTenant, oldTenant } of events) {
    if (failed.has(String(seq))) troubledUntil.set(newTenant ?? oldTenant ?? NO_TENANT, now.getTime() + TROUBLE_MS);
  }
}

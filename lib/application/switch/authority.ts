/**
 * Moving write authority between the stores. The journal is the decision and the point of no return; the numbers in the two
 * databases carry it out, and may be carried out again after a crash (protocol §9; prior art: Vitess' journal).
 */
import type { JournalDocument } from '../../contracts/documents.ts';
import { type Direction, receiverOf, STORES, sourceOf } from '../../domain/direction.ts';
import type { Stage } from '../../domain/stage.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { type AuthorityRow, moveAuthority, readAuthority } from '../../sql/switchover/authority.ts';
import type { Deps } from '../deps.ts';
import { tenantStates, turnOn } from '../tenants/exposure.ts';

export interface Decision {
  readonly direction: Direction;
  readonly by: string;
  readonly why: string;
  readonly execution: string;
  /** Stage of every tenant in the new direction. */
  readonly stage: Stage;
}

/** Undefined before the first switchover: legacy is authoritative. */
export async function latestJournal(deps: Deps): Promise<JournalDocument | undefined> {
  const [latest] = await deps.documents.list('journal', { limit: 1, descending: true });
  return latest?.value;
}

export async function directionInForce(deps: Deps): Promise<Direction> {
  return (await latestJournal(deps))?.direction ?? 'forward';
}

/** Both stores are fenced while this runs. @returns the new authority number. */
export async function decideAuthority(deps: Deps, decision: Decision): Promise<number> {
  const latest = await latestJournal(deps);
  if (latest?.direction === decision.direction) {
    await carryOutAuthority(deps, latest.n, decision);
    return latest.n;
  }
  const numbers = await Promise.all(
    STORES.map(async (store) => (await deps.databases.open(store, 'fence').query<AuthorityRow>(readAuthority))[0]),
  );
  const n = Math.max(latest?.n ?? 0, ...numbers.map((row) => Number(row?.authority ?? 0))) + 1;
  await deps.documents.put(
    'journal',
    String(n).padStart(12, '0'),
    {
      n,
      authoritative: sourceOf(decision.direction),
      direction: decision.direction,
      at: deps.clock.now().toISOString(),
      by: decision.by,
      why: decision.why,
      execution: decision.execution,
      flagsVersion: (await deps.flags.read())?.version ?? null,
    },
    'absent',
  );
  await carryOutAuthority(deps, n, decision);
  return n;
}

/** The receiver of the old direction first: from then on its applies are refused. Then doors of the new direction, then its source. */
async function carryOutAuthority(deps: Deps, n: number, { direction, stage, why }: Decision): Promise<void> {
  await deps.databases.open(sourceOf(direction), 'fence').query(moveAuthority(String(n), direction));
  const old = direction === 'reverse' ? 'forward' : 'reverse';
  const tenants = new Set([
    NO_TENANT,
    ...(await tenantStates(deps, old)).filter((state) => state.is_on).map((state) => state.tenant),
  ]);
  for (const tenant of tenants) await turnOn(deps, direction, { tenant, stage, copied: true, why });
  await deps.databases.open(receiverOf(direction), 'fence').query(moveAuthority(String(n), direction));
}

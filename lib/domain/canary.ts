/**
 * Which reads of stage `live` the target answers while the canary weight is below 100 % (design §6): by hash, so the choice is
 * sticky, and monotonic as the weight grows. The hash is of the tenant; a share of the tenants has two edges:
 * - few tenants, small weight: it could be none, and a canary that nobody takes proves nothing. The tenant with the lowest
 *   hash is always in; it is the first one in at any weight, so raising the weight still adds only.
 * - one tenant alone (a plan without tenants, a scope of one, the shared rows): it would be all. Its rows are hashed instead,
 *   each sticky.
 */
import { bucketOf } from './flags.ts';
import { NO_TENANT } from './table.ts';

/** Not the flags' salt: who is exposed first is no reason to be read first. */
export const CANARY_SALT = 'target-reads';

export interface CanaryTenant {
  readonly tenant: string;
  /** 0…100, in effect. */
  readonly readPercent: number;
}

/** Which of a tenant's reads are the target's; `by-row`: those whose hash of table and key is below the weight. */
export type CanaryShare = 'none' | 'all' | 'by-row';

/** @param live every tenant of stage `live`, the asked one among them. */
export function canaryShare(asked: CanaryTenant, live: readonly CanaryTenant[]): CanaryShare {
  if (asked.readPercent <= 0) return 'none';
  if (asked.readPercent >= 100) return 'all';
  const others = live.filter(
    ({ tenant, readPercent }) =>
      tenant !== asked.tenant && tenant !== NO_TENANT && readPercent > 0 && readPercent < 100,
  );
  if (others.length === 0 || asked.tenant === NO_TENANT) return 'by-row';
  const isBelow = bucketOf(CANARY_SALT, asked.tenant) < asked.readPercent * 100;
  return isBelow || others.every(({ tenant }) => comesBefore(asked.tenant, tenant)) ? 'all' : 'none';
}

/** @param subject what is read: table and row key. */
export function isCanaryRead(asked: CanaryTenant, subject: string, live: readonly CanaryTenant[]): boolean {
  const share = canaryShare(asked, live);
  if (share !== 'by-row') return share === 'all';
  return bucketOf(CANARY_SALT, `${asked.tenant}/${subject}`) < asked.readPercent * 100;
}

/** By bucket, then by name, so that exactly one tenant comes first. */
function comesBefore(one: string, other: string): boolean {
  const difference = bucketOf(CANARY_SALT, one) - bucketOf(CANARY_SALT, other);
  return difference === 0 ? one < other : difference < 0;
}

/**
 * The way back that a flag alone can order: tenants that `target_reads` no longer wishes in are read from legacy again. The way
 * there is the cutover machine's, because it takes proof. A wish that cannot be read changes nothing: unknown is not off.
 */
import { evaluateFlag } from '../../domain/flags.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { directionInForce } from '../switch/authority.ts';
import { setStage, tenantStates } from '../tenants/exposure.ts';

/** @returns the tenants whose reads went back. */
export async function carryOutReadWish(deps: Deps): Promise<readonly string[]> {
  const wish = await deps.flags.read();
  // After switchover legacy cannot answer.
  if (wish === undefined || (await directionInForce(deps)) === 'reverse') return [];
  const live = (await tenantStates(deps, 'forward')).flatMap(({ tenant, stage }) => (stage === 'live' ? [tenant] : []));
  const flag = wish.flags.target_reads;
  const isWished = (tenant: string) => {
    const region = deps.plan.tenants.known.find(({ id }) => id === tenant)?.region ?? undefined;
    return evaluateFlag(flag, { tenant, region });
  };
  const isAlone = deps.plan.tenants.kind === 'none';
  const wished = live.filter((tenant) => (tenant !== NO_TENANT || isAlone) && isWished(tenant));
  // Shared rows follow the most advanced tenant.
  const returned = live.filter((tenant) => !wished.includes(tenant) && (tenant !== NO_TENANT || wished.length === 0));
  if (returned.length > 0) {
    await setStage(deps, 'forward', returned, 'dualwrite', 0, `target_reads is off in flags version ${wish.version}`);
    deps.log.warn('reads went back to legacy by flag', { tenants: returned, flagsVersion: wish.version });
  }
  return returned;
}

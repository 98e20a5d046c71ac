/**
 * A tenant that a flag turned on at run time counts as on only when its rows are copied under G, deletes included (protocol §5.3,
 * steps iv and v). The backfill machine does that; where no operator is about to start it, the controller does.
 */

import { someTenants } from '../../domain/some-tenants.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { tenantStates } from './exposure.ts';

/** What the backfill machine is started with: step (iv) of "on", and not a phase that is gated by the one before. */
export const EXPOSURE_MODE = 'exposure';

const LATEST = 5;

/** @returns the tenants whose copy was started; none while another one runs, which they wait for. */
export async function copyTurnedOn(deps: Deps): Promise<readonly string[]> {
  const isAlone = deps.plan.tenants.kind === 'none';
  const [dualWrite, backfill] = await Promise.all([
    deps.documents.get('machine', 'dual-write'),
    deps.documents.get('machine', 'backfill'),
  ]);
  const hasPassed = (tenant: string) => dualWrite?.value.passed[tenant] !== undefined;
  const wasCopied = (tenant: string) => backfill?.value.passed[tenant] !== undefined;
  const tenants = (await tenantStates(deps, 'forward'))
    .filter((state) => state.is_on && !state.copied && (state.tenant !== NO_TENANT || isAlone))
    .map(({ tenant }) => tenant)
    // Between these two machines an operator starts the second one.
    .filter((tenant) => !hasPassed(tenant) || wasCopied(tenant));
  if (tenants.length === 0) return [];
  for (const machine of ['dual-write', 'backfill'] as const) {
    // By the executions and not by the machine's document, which one that was started just now has not taken yet.
    const executions = await deps.workflow.list(machine, LATEST);
    if (executions.some(({ status }) => status === 'running')) return [];
  }
  const reason = `turned on by flag: ${someTenants(tenants)}`;
  const execution = await deps.workflow.start('backfill', {
    plan: deps.plan.name,
    scope: tenants,
    mode: EXPOSURE_MODE,
    requestedBy: 'controller',
    reason,
  });
  deps.log.info('rows of tenants that were turned on are copied', { tenants, execution: execution.arn });
  return tenants;
}

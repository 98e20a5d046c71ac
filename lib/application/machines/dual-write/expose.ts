/** Exposes the scope's tenants share by share: the wish is published as a flag, carried out, and given time before the next share. */
import { bucketOf, type Flags } from '../../../domain/flags.ts';
import { someTenants } from '../../../domain/some-tenants.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import { FlagsConflict } from '../../../ports/flags.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration } from '../../migration.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { carryOutWish } from '../../tenants/carry-out-wish.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { again, proceed, refuse, type Step } from '../step.ts';

/** Seconds until a published flag is looked at again. */
const FLAG_WAIT_SECONDS = 2;

export const expose: Step = async (deps, run) => {
  const on = run.dryRun
    ? new Set<string>()
    : new Set((await tenantStates(deps, 'forward')).filter((state) => state.is_on).map((state) => state.tenant));
  const wish = await deps.flags.read();
  if (wish === undefined) return again(FLAG_WAIT_SECONDS, { notes: ['the flags cannot be read; exposure waits'] });
  const ordered = run.scope.toSorted(
    (one, other) => bucketOf(wish.flags.dual_write.salt, one) - bucketOf(wish.flags.dual_write.salt, other),
  );
  const shares = deps.plan.dualWrite.steps.map((percent) =>
    ordered.slice(0, Math.ceil((ordered.length * percent) / 100)),
  );
  if (run.dryRun)
    return proceed({
      notes: shares.map(
        (share, index) => `share ${index + 1} (${deps.plan.dualWrite.steps[index]} %): ${share.join(', ')}`,
      ),
    });

  const share = shares.find((candidate) => candidate.some((tenant) => !on.has(tenant)));
  if (share === undefined) {
    await ensureRelay(deps, 'forward');
    return proceed({ notes: [`exposed: ${someTenants(run.scope)}`] });
  }
  const flag = wish.flags.dual_write;
  const isWished = (tenant: string) => flag.enabled && flag.tenants.includes(tenant) && !flag.except.includes(tenant);
  if (!share.filter((tenant) => tenant !== NO_TENANT || deps.plan.tenants.kind === 'none').every(isWished)) {
    await publish(deps, wish.flags, wish.version, share);
    return again(FLAG_WAIT_SECONDS, { notes: [`flag dual_write wishes for ${share.join(', ')}`] });
  }
  const carried = await carryOutWish(await loadMigration(deps));
  if (carried.refused.length > 0 && carried.turnedOn.length === 0) return refuse(carried.refused);
  await ensureRelay(deps, 'forward');
  const isLast = share.length === ordered.length;
  return again(isLast ? 0 : Math.ceil(deps.plan.dualWrite.stepFor / 1000), {
    notes: [`turned on: ${carried.turnedOn.join(', ') || 'nobody new'} (flags version ${carried.flagsVersion})`],
  });
};

async function publish(deps: Deps, flags: Flags, version: number, share: readonly string[]): Promise<void> {
  const flag = flags.dual_write;
  const tenants = [
    ...new Set([
      ...flag.tenants,
      ...share.filter((tenant) => tenant !== NO_TENANT || deps.plan.tenants.kind === 'none'),
    ]),
  ];
  // A way back excepts tenants by name; whoever starts this machine for them wants them in again.
  const except = flag.except.filter((tenant) => !share.includes(tenant));
  try {
    await deps.flags.publish(
      { ...flags, dual_write: { ...flag, enabled: true, tenants, except } },
      version,
      `exposure of ${share.join(', ')}`,
    );
  } catch (error) {
    // Somebody else changed the flags, or a ramp is in flight: the next look sees what came of it.
    if (!(error instanceof FlagsConflict)) throw error;
    deps.log.info('the flags changed meanwhile; looking again', { version });
  }
}

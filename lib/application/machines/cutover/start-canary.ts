/** Moves the scope's reads: first the canary share, later all of them. Both take effect the same way. */
import type { Run, StepResult } from '../../../contracts/machine-io.ts';
import { someTenants } from '../../../domain/some-tenants.ts';
import type { Deps } from '../../deps.ts';
import { again, proceed, refuse, type Step } from '../step.ts';
import { applyWeight, findObstacles, notInEffect, publishWish, startWatch } from './read-weight.ts';

/** Seconds until flags that are being deployed are looked at again. */
const FLAGS_WAIT_SECONDS = 5;
const EFFECT_WAIT_SECONDS = 1;

export const startCanary: Step = (deps, run) => setWeight(deps, run, canaryPercent(deps));

export const raiseToFull: Step = (deps, run) => setWeight(deps, run, 100);

export function canaryPercent({ plan }: Deps): number {
  // 0.07 * 100 is 7.000000000000001.
  return Number((plan.reads.canaryWeight * 100).toFixed(4));
}

async function setWeight(deps: Deps, run: Run, percent: number): Promise<StepResult> {
  if (run.dryRun)
    return proceed({ notes: [`would move ${percent} % of the reads of ${someTenants(run.scope)} to the target`] });
  const obstacles = await findObstacles(deps, run);
  if (obstacles.length > 0) return refuse(obstacles);
  const published = await publishWish(
    deps,
    (flag) => ({
      ...flag,
      enabled: true,
      percent,
      tenants: [...new Set([...flag.tenants, ...run.scope])],
      except: flag.except.filter((tenant) => !run.scope.includes(tenant)),
    }),
    `reads of ${someTenants(run.scope)} at ${percent} %`,
  );
  if (published === 'unreadable' || published === 'conflict') {
    return again(FLAGS_WAIT_SECONDS, {
      notes: [`the wish target_reads waits: flags are ${published === 'conflict' ? 'being deployed' : 'unreadable'}`],
    });
  }
  await applyWeight(deps, run, percent);
  const missing = await notInEffect(deps, run, percent);
  if (missing.length > 0) return again(EFFECT_WAIT_SECONDS, { notes: [`not in effect yet for ${missing.join(', ')}`] });
  return proceed({
    notes: [`the target answers ${percent} % of the reads of ${someTenants(run.scope)}`],
    data: { watch: await startWatch(deps) },
  });
}

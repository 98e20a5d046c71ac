/** The way back of reads: weight 0, stage `dualwrite`, breaker reset. Dual write goes on (guide phase 4, rollback). */
import { CLOSED_BREAKER } from '../../../domain/breaker.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { someTenants } from '../../../domain/some-tenants.ts';
import { STAGE_ROUTES } from '../../../domain/stage.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import { BREAKER_ID } from '../../reads/read-breaker.ts';
import { directionInForce } from '../../switch/authority.ts';
import { setStage, tenantStates } from '../../tenants/exposure.ts';
import { again, judged, proceed, refuse, type Step } from '../step.ts';
import { publishWish, readersOf, tenantDocuments } from './read-weight.ts';

/** Tries at a wish that is being deployed; what is in effect has been returned before the first one. */
const WISH_TRIES = 60;
const WISH_WAIT_SECONDS = 5;

export const returnReads: Step = async (deps, run, data) => {
  // After switchover the forward states are history: mirroring them would send readers to the wrong store.
  if ((await directionInForce(deps)) === 'reverse') {
    return refuse([
      'write authority is with the target, and legacy reads are disabled; run: npx crossfade rollback switchover',
    ]);
  }
  const states = await tenantStates(deps, 'forward');
  const isReading = (stage: string) => stage === 'live' || stage === 'shadow';
  const moved = states.filter(({ stage }) => isReading(stage)).map(({ tenant }) => tenant);
  const scope = moved.filter((tenant) => run.scope.includes(tenant));
  if (run.dryRun) return proceed({ notes: [`would return the reads of ${someTenants(scope) || 'nobody'}`] });

  const others = moved.filter((tenant) => !run.scope.includes(tenant) && tenant !== NO_TENANT);
  // Shared rows go back with the last tenant.
  const returned = others.length > 0 ? scope : readersOf(deps, run).filter((tenant) => moved.includes(tenant));
  if (returned.length > 0)
    await setStage(deps, 'forward', returned, 'dualwrite', 0, `reads returned (${run.requestedBy})`);
  if (others.length === 0) await deps.documents.put('breaker', BREAKER_ID, CLOSED_BREAKER, 'any');

  const published = await publishWish(
    deps,
    (flag) => {
      const tenants = flag.tenants.filter((tenant) => !run.scope.includes(tenant));
      return tenants.length > 0 ? { ...flag, tenants } : { ...flag, tenants, enabled: false, percent: 0 };
    },
    `reads of ${someTenants(run.scope)} returned`,
  );
  const tries = triesOf(data) + 1;
  if ((published === 'conflict' || published === 'unreadable') && tries < WISH_TRIES) {
    return again(WISH_WAIT_SECONDS, {
      notes: ['reads are returned; the wish target_reads waits for the flags'],
      data: { wishTries: tries },
    });
  }
  const notes = [`reads of ${someTenants(run.scope)} are answered by legacy`];
  if (published === 'conflict' || published === 'unreadable')
    notes.push('the wish target_reads could not be taken back; run: npx crossfade flags set target_reads --disable');
  return proceed({ notes });
};

/** Verified where readers look, and in the store that is the truth. */
export const verifyReads: Step = async (deps, run) => {
  const now = deps.clock.now();
  const documents = await tenantDocuments(deps);
  const states = new Map((await tenantStates(deps, 'forward')).map((state) => [state.tenant, state]));
  const wrong = run.scope.flatMap((tenant) => {
    const document = documents.get(tenant);
    const stages = [document?.stage ?? 'off', states.get(tenant)?.stage ?? 'off'];
    const isBack =
      stages.every((stage) => STAGE_ROUTES[stage].reads.primary === 'legacy') && (document?.readPercent ?? 0) === 0;
    return isBack
      ? []
      : [
          `tenant ${tenant}: stage ${stages[0]} for readers, ${stages[1]} in legacy, weight ${document?.readPercent ?? 0} %`,
        ];
  });
  const silent = run.scope.filter((tenant) => states.get(tenant)?.is_on !== true);
  const gates = [
    judgeGate(
      {
        gate: 'reads-returned',
        value: run.scope.length - wrong.length,
        threshold: run.scope.length,
        comparison: 'at least',
        unit: 'tenants read from legacy',
        source: 'tenant documents and crossfade.tenant_state',
        measuredAt: now,
        details: wrong,
      },
      now,
    ),
  ];
  const notes = silent.length === 0 ? ['dual write is still on'] : [`dual write is off for ${silent.join(', ')}`];
  // A dry run has returned nothing, so it has nothing to verify.
  return run.dryRun ? proceed({ notes: ['would verify that legacy answers'] }) : judged(gates, { notes });
};

function triesOf(data: unknown): number {
  return typeof data === 'object' && data !== null && 'wishTries' in data ? Number(data.wishTries) : 0;
}

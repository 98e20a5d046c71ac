/** The gate of phase 3, read from the cycle log (design §4): judged again at every later gate. */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import type { CycleSubject } from '../../domain/drift-clocks.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import { deviations } from '../../plan/plan.ts';
import type { Deps } from '../deps.ts';
import { abandonedCycle } from '../reconcile/open-cycle.ts';
import { readSubject } from '../reconcile/subject.ts';
import { withAllTenants } from '../reconcile/with-all-tenants.ts';
import { directionInForce } from '../switch/authority.ts';
import { clocksRule, judgeLog } from './judge-log.ts';

/** Cycles further back than the window that are read too: pauses of the clock push its start back. */
export const LOOK_BACK = 4;

/** @param subjectOf what there is to be proved equal, as the databases have it now: the log knows what the cycles saw. */
export async function driftGate(
  deps: Deps,
  run: Run,
  subjectOf: (deps: Deps) => Promise<CycleSubject | undefined> = subjectInForce,
): Promise<GateDecision> {
  const now = deps.clock.now();
  const rule = { ...clocksRule(deps.plan), subject: await subjectOf(deps) };
  const [cycles, found] = await Promise.all([readCycleLog(deps, now), deps.documents.list('drift')]);
  const differences = found.map(({ value }) => value);
  const { pass, reasons, overall, tables, tenants } = judgeLog({ cycles, differences }, rule, run.scope, now);

  const decision = judgeGate(
    {
      gate: 'drift-rate',
      value: overall.ratePercent,
      threshold: overall.thresholdPercent,
      comparison: overall.thresholdPercent === 0 ? 'at most' : 'below',
      unit: '%',
      source: `cycle log: ${overall.cycles} cycles, ${overall.rows} rows, at most ${overall.upperBoundPercent.toPrecision(2)} % at 95 %; ${tables.length} tables and ${tenants.length} tenants each by their own rows`,
      measuredAt: overall.measuredAt === null ? null : new Date(overall.measuredAt),
      guide: guideOf(deps),
    },
    now,
  );
  return { ...decision, pass: pass && decision.pass, reasons: [...decision.reasons, ...reasons] };
}

async function subjectInForce(deps: Deps): Promise<CycleSubject> {
  return readSubject(deps, await directionInForce(deps));
}

/** A cycle that its execution left behind is judged as what it will be recorded as. */
export async function readCycleLog(deps: Deps, now: Date): Promise<readonly CycleDocument[]> {
  const { gate, cycle } = deps.plan.reconcile;
  const from = new Date(now.getTime() - LOOK_BACK * gate.for - 2 * cycle).toISOString();
  const stored = (await deps.documents.list('cycle', { from })).map(({ value }) => value);
  const logged = await withAllTenants(deps.objects, stored);
  const abandoned = await abandonedCycle(deps);
  return abandoned === undefined
    ? logged
    : [...logged.filter((cycle) => cycle.startedAt !== abandoned.startedAt), abandoned];
}

/** What the guide asks for where this plan asks for less (design §7). */
function guideOf(deps: Deps): string | undefined {
  const weaker = deviations(deps.plan).filter(({ path }) => path.startsWith('reconcile.gate.'));
  return weaker.length === 0 ? undefined : weaker.map(({ path, guide }) => `${path}: ${guide}`).join(', ');
}

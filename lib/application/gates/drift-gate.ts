/** The gate of phase 3, read from the cycle log (design §4): judged again at every later gate. */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import { type DriftRule, judgeDrift } from '../../domain/drift-gate.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import { deviations } from '../../plan/plan.ts';
import type { Deps } from '../deps.ts';
import { abandonedCycle } from '../reconcile/open-cycle.ts';
import { MAX_DRIFT_DOCUMENTS } from '../reconcile/record-cycle.ts';

/** Cycles further back than the window that are read too: pauses of the clock push its start back. */
const LOOK_BACK = 4;

export async function driftGate(deps: Deps, run: Run): Promise<GateDecision> {
  const { gate, cycle: cycleMs, missedCycle } = deps.plan.reconcile;
  const now = deps.clock.now();
  const rule: DriftRule = {
    forMs: gate.for,
    driftPercent: gate.driftPercent,
    minimumRows: gate.minimumRows,
    cycleMs,
    missedCycle,
  };
  const from = new Date(now.getTime() - LOOK_BACK * gate.for - 2 * cycleMs).toISOString();
  const logged = (await deps.documents.list('cycle', { from })).map(({ value }) => value);
  const abandoned = await abandonedCycle(deps);
  const cycles: readonly CycleDocument[] =
    abandoned === undefined
      ? logged
      : [...logged.filter((cycle) => cycle.startedAt !== abandoned.startedAt), abandoned];
  const judged = judgeDrift(cycles, rule, run.scope, now);
  const distinct = judged.since === null ? undefined : await countDistinct(deps, cycles, judged.since);
  const judgement = distinct === undefined ? judged : judgeDrift(cycles, rule, run.scope, now, distinct);

  const decision = judgeGate(
    {
      gate: 'drift-rate',
      value: judgement.ratePercent,
      threshold: judgement.thresholdPercent,
      comparison: judgement.thresholdPercent === 0 ? 'at most' : 'below',
      unit: '%',
      source: `cycle log: ${judgement.cycles} cycles, ${judgement.rows} rows, at most ${judgement.upperBoundPercent.toPrecision(2)} % at 95 %`,
      measuredAt: judgement.measuredAt === null ? null : new Date(judgement.measuredAt),
      guide: guideOf(deps),
    },
    now,
  );
  return { ...decision, pass: judgement.pass && decision.pass, reasons: [...decision.reasons, ...judgement.reasons] };
}

/** Keys found drifting since `since`, each once; undefined when a cycle found more than have documents. */
async function countDistinct(deps: Deps, cycles: readonly CycleDocument[], since: string): Promise<number | undefined> {
  if (cycles.some((cycle) => cycle.drift > MAX_DRIFT_DOCUMENTS)) return undefined;
  const found = await deps.documents.list('drift');
  return found.filter(({ value }) => value.cycle >= since).length;
}

/** What the guide asks for where this plan asks for less (design §7). */
function guideOf(deps: Deps): string | undefined {
  const weaker = deviations(deps.plan).filter(({ path }) => path.startsWith('reconcile.gate.'));
  return weaker.length === 0 ? undefined : weaker.map(({ path, guide }) => `${path}: ${guide}`).join(', ');
}

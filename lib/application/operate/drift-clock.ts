/** The drift clock as the gate of `cutover` judges it (lib/domain/drift-gate.ts), with the last cycle beside it. Pure. */
import type { CycleDocument } from '../../contracts/documents.ts';
import { firesDriftAlert } from '../../domain/drift-alert.ts';
import { type DriftJudgement, type DriftRule, judgeDrift, passesAlone } from '../../domain/drift-gate.ts';

export interface LastCycle
  extends Pick<
    CycleDocument,
    'startedAt' | 'endedAt' | 'rows' | 'drift' | 'driftPercent' | 'upperBoundPercent' | 'mode' | 'scopeKind'
  > {
  /** Whether it passes by itself. */
  readonly clean: boolean;
}

export interface DriftClock extends DriftJudgement {
  readonly neededMs: number;
  /** The plan's threshold; `thresholdPercent` is the one in effect, 0 with few rows. */
  readonly limitPercent: number;
  readonly last: LastCycle | null;
  readonly alertFiring: boolean;
}

export interface ClockRules {
  readonly driftGate: DriftRule;
  readonly driftAlert: { readonly driftPercent: number; readonly cycles: number };
}

/**
 * @param newestFirst cycles of the log.
 * @param scope tenants that are copied: cycles before that do not cover them.
 */
export function readDriftClock(
  newestFirst: readonly CycleDocument[],
  { driftGate, driftAlert }: ClockRules,
  scope: readonly string[],
  now: Date,
): DriftClock {
  const last = newestFirst[0];
  return {
    ...judgeDrift(newestFirst, driftGate, scope, now),
    neededMs: driftGate.forMs,
    limitPercent: driftGate.driftPercent,
    last: last === undefined ? null : lastOf(last, driftGate),
    alertFiring: firesDriftAlert(newestFirst, driftAlert),
  };
}

function lastOf(cycle: CycleDocument, rule: DriftRule): LastCycle {
  const { startedAt, endedAt, rows, drift, driftPercent, upperBoundPercent, mode, scopeKind } = cycle;
  return {
    startedAt,
    endedAt,
    rows,
    drift,
    driftPercent,
    upperBoundPercent,
    mode,
    scopeKind,
    clean: passesAlone(cycle, rule),
  };
}

/**
 * What people say to a running copy (`backfill pause`, `backfill tune`) and what it says of itself: two progress documents. The
 * copy reads the first before each batch, though not more than once a second.
 */
import type { Mark } from '../../contracts/documents.ts';
import type { ThrottleState } from '../../domain/throttle.ts';
import { guideValue, limitOf, type Plan } from '../../plan/plan.ts';
import type { DocumentStore } from '../../ports/documents.ts';

export const BACKFILL_CONTROL = 'backfill-control';
export const BACKFILL_PACE = 'backfill-pace';

export interface BackfillControl {
  readonly paused?: Mark | undefined;
  /** In place of the plan's numbers; one that is not given is the plan's. */
  readonly tuned?:
    | (Mark & { readonly batchesPerSecond?: number | undefined; readonly batchRows?: number | undefined })
    | undefined;
}

export const STOPS = ['held', 'paused', 'window', 'time'] as const;
/** Why a call ends before the work does. */
export type Stop = (typeof STOPS)[number];

/** How fast the copy is at this moment and what holds it back. Rewritten every few seconds while it runs. */
export interface BackfillPace {
  readonly at: string;
  readonly rate: CopyRate;
  readonly throttle: ThrottleState;
  /** Over the last half minute. */
  readonly rowsPerSecond: number;
  readonly batchesPerSecond: number;
  /** Smoothed time of a write statement in milliseconds; null: none yet. */
  readonly statementMs: number | null;
  readonly stop: Stop | null;
  readonly opensAt: string | null;
  /** When the last batch was due, in milliseconds: the next call keeps to the rate from there on. */
  readonly lastMs: number | null;
}

/** The limit in force, whole: batches a second, over all workers, and rows a batch. */
export interface CopyRate {
  readonly batchesPerSecond: number;
  readonly batchRows: number;
}

export async function readControl(documents: DocumentStore): Promise<BackfillControl> {
  // Written by `backfill pause` and `backfill tune`.
  return ((await documents.get('progress', BACKFILL_CONTROL))?.value.state ?? {}) as BackfillControl;
}

export async function readPace(documents: DocumentStore): Promise<BackfillPace | undefined> {
  // Written by the copy.
  return (await documents.get('progress', BACKFILL_PACE))?.value.state as unknown as BackfillPace | undefined;
}

/** The plan's rate, or what a person tuned it to; outside of dev never above the guide's. */
export function rateOf(plan: Plan, { tuned }: BackfillControl): CopyRate {
  return {
    batchesPerSecond: Math.min(
      tuned?.batchesPerSecond ?? plan.backfill.batchesPerSecond,
      mostOf(plan, 'batchesPerSecond'),
    ),
    batchRows: Math.min(tuned?.batchRows ?? plan.backfill.batchRows, mostOf(plan, 'batchRows')),
  };
}

/** The guide's limit where the environment must keep to it, else the schema's. */
export function mostOf(plan: Plan, name: keyof CopyRate): number {
  const limit = limitOf(`backfill.${name}`);
  if (plan.environment === 'dev' || limit === undefined) return 10_000;
  return Number(guideValue(limit, plan.environment));
}

/** `50 batches a second of 1000 rows: 50000 rows a second`: the unit is said wherever the numbers are (prior art 43). */
export function describeRate({ batchesPerSecond, batchRows }: CopyRate): string {
  return `${batchesPerSecond} batches a second of ${batchRows} rows: at most ${batchesPerSecond * batchRows} rows a second`;
}

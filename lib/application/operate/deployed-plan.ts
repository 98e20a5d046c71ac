/**
 * The plan as deployed, for people who have no plan file at hand: the framework writes it into the control table, the CLI reads
 * it back. Where it is not there yet, the guide's own numbers stand in, and the payload says so.
 */
import type { ClocksRule } from '../../domain/drift-clocks.ts';
import type { Phase } from '../../domain/phase.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Plan } from '../../plan/plan.ts';
import type { DocumentStore } from '../../ports/documents.ts';
import { clocksRule } from '../gates/judge-log.ts';

/** Progress document that holds the deployed plan. */
export const PLAN_DOCUMENT = 'plan';

const HOUR = 3_600_000;

export interface OperatingNumbers {
  /** Where the numbers come from. */
  readonly source: 'plan' | 'guide';
  /** Compatibility windows in milliseconds; `max` null: none. */
  readonly windows: Readonly<Record<Phase, { readonly min: number; readonly max: number | null }>>;
  readonly driftGate: ClocksRule;
  readonly driftAlert: { readonly driftPercent: number; readonly cycles: number };
  /** The scheduled cycles' own. */
  readonly reconcileMode: Plan['reconcile']['mode'];
  readonly tenants: readonly { readonly id: string; readonly region: string | null }[];
  readonly notByRequester: boolean | null;
}

/** The guide's numbers (phases 1 to 5; drift: phase 3). */
export const GUIDE_NUMBERS: OperatingNumbers = {
  source: 'guide',
  windows: {
    baseline: { min: 0, max: 4 * HOUR },
    'dual-write': { min: 4 * HOUR, max: 72 * HOUR },
    reconcile: { min: 72 * HOUR, max: 168 * HOUR },
    cutover: { min: 24 * HOUR, max: 48 * HOUR },
    decommission: { min: 0, max: null },
  },
  driftGate: {
    driftPercent: 0.001,
    forMs: 72 * HOUR,
    minimumRows: 100_000,
    cycleMs: HOUR,
    missedCycle: 'restart',
    tables: {},
  },
  driftAlert: { driftPercent: 0.01, cycles: 5 },
  reconcileMode: 'checksum',
  tenants: [],
  notByRequester: null,
};

/** Called by `begin` of every machine and by the controller: the same plan again changes nothing. */
export async function recordPlan(documents: DocumentStore, plan: Plan, planHash: string, now: Date): Promise<void> {
  const stored = await documents.get('progress', PLAN_DOCUMENT);
  if (stored?.value.state.hash === planHash) return;
  await documents.put(
    'progress',
    PLAN_DOCUMENT,
    { work: PLAN_DOCUMENT, state: { hash: planHash, plan }, at: now.toISOString() },
    'any',
  );
}

export async function readOperatingNumbers(documents: DocumentStore): Promise<OperatingNumbers> {
  const stored = await documents.get('progress', PLAN_DOCUMENT);
  const plan = stored?.value.state.plan;
  if (plan === undefined) return GUIDE_NUMBERS;
  // recordPlan wrote it, from a checked plan.
  return numbersOf(plan as Plan);
}

export function numbersOf(plan: Plan): OperatingNumbers {
  return {
    source: 'plan',
    windows: plan.windows,
    driftGate: clocksRule(plan),
    driftAlert: plan.reconcile.alert,
    reconcileMode: plan.reconcile.mode,
    tenants:
      plan.tenants.kind === 'none'
        ? [{ id: NO_TENANT, region: null }]
        : plan.tenants.known.map(({ id, region }) => ({ id, region })),
    notByRequester: plan.approvals.notByRequester,
  };
}

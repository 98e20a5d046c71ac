/**
 * The guide's own numbers as limits, a table: in staging and prod a plan may be stricter and not weaker; a dev plan may be weaker
 * for a rehearsal, and each place that shows such a value shows the guide's beside it (design §7).
 */
import { isMapping } from './environments.ts';
import type { Environment, Plan } from './schema.ts';
import { DURATION_PATTERN, formatDuration, parseDuration } from './units.ts';

type LimitRule = 'at most' | 'at least' | 'one of' | 'all of';
type LimitValue = number | string | boolean | readonly string[];

export interface GuideLimit {
  /** Dotted path, the same in the file and in the plan. */
  readonly path: string;
  readonly rule: LimitRule;
  /** As a plan file writes it; `none` is no limit. */
  readonly value: LimitValue | Readonly<Record<Environment, LimitValue>>;
  readonly source: string;
}

export interface Deviation {
  readonly path: string;
  /** As a plan file writes it. */
  readonly value: string;
  readonly guide: string;
  readonly source: string;
}

const MATRIX = 'guide, environment matrix';
const PHASE_1 = 'guide, phase 1';
const PHASE_2 = 'guide, phase 2';
const PHASE_3 = 'guide, phase 3';
const PHASE_4 = 'guide, phase 4';
const SWITCHING = ['dual-write', 'cutover', 'switchover', 'decommission'] as const;

export const GUIDE_LIMITS: readonly GuideLimit[] = [
  limit(
    'trigger',
    'one of',
    { dev: ['manual', 'ci', 'change-window'], staging: ['ci', 'change-window'], prod: ['change-window'] },
    MATRIX,
  ),
  limit('pools.multiplier', 'at least', { dev: 1, staging: 1.25, prod: 1.5 }, MATRIX),
  limit('latencyBudget', 'at most', { dev: 'none', staging: '50ms', prod: '20ms' }, MATRIX),
  limit('approvals.machines', 'all of', { dev: [], staging: [], prod: SWITCHING }, `${MATRIX}: approved change window`),
  limit(
    'approvals.notByRequester',
    'one of',
    { dev: ['false', 'true'], staging: ['true'], prod: ['true'] },
    'design §5',
  ),
  limit('targetTimeout', 'at most', '500ms', PHASE_2),
  limit('baseline.errorRatePercent', 'at most', 0.01, PHASE_1),
  limit('baseline.probeWrites', 'at least', 10_000, `${PHASE_1}: fewer writes cannot show 0.01 %`),
  limit('relay.poll', 'at most', '500ms', 'design §3.2'),
  limit('relay.retries', 'at least', 3, 'design §3.4'),
  limit('reconcile.cycle', 'at most', '1h', `${PHASE_3}: run hourly`),
  limit('reconcile.window', 'at least', '1h', PHASE_3),
  limit('reconcile.alert.driftPercent', 'at most', 0.01, PHASE_3),
  limit('reconcile.alert.cycles', 'at most', 5, PHASE_3),
  limit('reconcile.gate.driftPercent', 'at most', 0.001, PHASE_3),
  limit('reconcile.gate.for', 'at least', '72h', PHASE_3),
  limit('reconcile.gate.minimumRows', 'at least', 100_000, 'design §4'),
  limit(
    'reconcile.missedCycle',
    'one of',
    { dev: ['pause', 'restart'], staging: ['pause', 'restart'], prod: ['restart'] },
    'design §4',
  ),
  limit('backfill.batchRows', 'at most', 1000, PHASE_3),
  limit('backfill.batchesPerSecond', 'at most', 50, PHASE_3),
  limit('backfill.retries', 'at least', 3, PHASE_3),
  limit('reads.canaryWeight', 'at most', 0.1, PHASE_4),
  limit('reads.timeout', 'at most', '200ms', PHASE_4),
  limit('reads.failureThreshold', 'at most', 5, PHASE_4),
  limit('reads.soak', 'at least', '24h', PHASE_4),
  limit('reads.parity.concurrency', 'at least', 50, PHASE_4),
  limit('reads.parity.for', 'at least', '300s', PHASE_4),
  limit('windows.baseline.max', 'at most', '4h', PHASE_1),
  limit('windows.dual-write.min', 'at least', '4h', PHASE_2),
  limit('windows.dual-write.max', 'at most', '72h', PHASE_2),
  limit('windows.reconcile.min', 'at least', '72h', PHASE_3),
  limit('windows.reconcile.max', 'at most', '168h', PHASE_3),
  limit('windows.cutover.min', 'at least', '24h', PHASE_4),
  limit('windows.cutover.max', 'at most', '48h', PHASE_4),
  limit('legacy.tls', 'one of', ['verify-full'], 'design §9'),
  limit('target.tls', 'one of', ['verify-full'], 'design §9'),
];

export function limitOf(path: string): GuideLimit | undefined {
  return GUIDE_LIMITS.find((candidate) => candidate.path === path);
}

/** The guide's value in one environment, as a plan file writes it. */
export function guideValue({ value }: GuideLimit, environment: Environment): LimitValue {
  // A record by environment and a plain value differ by being a mapping; the type test narrows only one way.
  return isMapping(value) ? (value as Readonly<Record<Environment, LimitValue>>)[environment] : (value as LimitValue);
}

/** What of `plan` is weaker than the guide, in the order of the guide; empty in staging and prod, where it would be refused. */
export function deviations(plan: Plan): readonly Deviation[] {
  return findDeviations(plan, plan.environment);
}

/** As `deviations`, for a plan that may lack sections. Values are parsed ones: durations in milliseconds. */
export function findDeviations(plan: object, environment: Environment): readonly Deviation[] {
  return GUIDE_LIMITS.flatMap((entry) => {
    const value = valueAt(plan, entry.path);
    const guide = guideValue(entry, environment);
    if (value === undefined || keeps(value, entry.rule, guide)) return [];
    return [
      {
        path: entry.path,
        value: show(value, guide),
        guide: `${phrase(entry.rule)}${show(guide, guide)}`,
        source: entry.source,
      },
    ];
  });
}

function limit(path: string, rule: LimitRule, value: GuideLimit['value'], source: string): GuideLimit {
  return { path, rule, value, source };
}

function keeps(value: unknown, rule: LimitRule, guide: LimitValue): boolean {
  if (rule === 'one of') return Array.isArray(guide) && guide.includes(String(value));
  if (rule === 'all of')
    return Array.isArray(guide) && Array.isArray(value) && guide.every((item) => value.includes(item));
  const bound = quantityOf(guide);
  const measured = value === null ? Number.POSITIVE_INFINITY : Number(value);
  return rule === 'at most' ? measured <= bound : measured >= bound;
}

function quantityOf(guide: LimitValue): number {
  if (guide === 'none') return Number.POSITIVE_INFINITY;
  return typeof guide === 'string' && DURATION_PATTERN.test(guide) ? parseDuration(guide) : Number(guide);
}

function phrase(rule: LimitRule): string {
  return rule === 'one of' ? '' : `${rule} `;
}

function show(value: unknown, guide: LimitValue): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return typeof value === 'number' && typeof guide === 'string' ? formatDuration(value) : String(value);
}

function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, key) => (isMapping(at) && Object.hasOwn(at, key) ? at[key] : undefined), value);
}

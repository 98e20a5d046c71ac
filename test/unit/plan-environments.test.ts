import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { withDefaults } from '../../lib/plan/environments.ts';
import {
  deviations,
  ENVIRONMENTS,
  GUIDE_LIMITS,
  guideValue,
  loadPlan,
  PlanError,
  resolvedDefaults,
} from '../../lib/plan/plan.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/plans/${name}.yaml`, import.meta.url), 'utf8');
const production: Record<string, unknown> = parse(fixture('production'));

/** The production plan with the value at a dotted path replaced. */
function planWith(environment: string, path: string, value: unknown): string {
  const nested = path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  const [section = ''] = path.split('.');
  // A window reaches back at least as far as a cycle is long.
  const beside = path === 'reconcile.cycle' ? { window: value } : undefined;
  const written = {
    ...production,
    environment,
    [section]: merge(beside ?? production[section], (nested as Record<string, unknown>)[section]),
  };
  return stringify(written);
}

function merge(standing: unknown, written: unknown): unknown {
  return typeof standing === 'object' && typeof written === 'object' && written !== null && !Array.isArray(written)
    ? { ...standing, ...written }
    : written;
}

function issuesOf(yaml: string) {
  try {
    loadPlan(yaml, 'plan.yaml');
    return [];
  } catch (error) {
    if (error instanceof PlanError) return error.issues;
    throw error;
  }
}

describe('defaults', () => {
  test('follow the guide’s environment matrix', () => {
    const rows = ENVIRONMENTS.map((name) => resolvedDefaults(name)).map(({ pools, latencyBudget, trigger }) => [
      pools.multiplier,
      latencyBudget,
      trigger,
    ]);

    expect(rows).toEqual([
      [1, 'none', 'manual'],
      [1.25, '50ms', 'ci'],
      [1.5, '20ms', 'change-window'],
    ]);
  });

  test.each(ENVIRONMENTS)('of %s are as strict as the guide', (environment) => {
    const plan = loadPlan(stringify({ ...production, environment }), 'plan.yaml');

    expect(deviations(plan)).toEqual([]);
  });

  test('give way to what is written, key by key', () => {
    const merged = withDefaults({ reconcile: { gate: { for: '80h' } }, dualWrite: { steps: [100] } }, 'dev');

    expect(merged.reconcile).toMatchObject({ cycle: '1h', gate: { for: '80h', driftPercent: 0.001 } });
    expect(merged.dualWrite).toMatchObject({ steps: [100], stepFor: '15m' });
  });

  test('cannot be changed by whoever reads them', () => {
    resolvedDefaults('dev').pools.legacy = 1;

    expect(resolvedDefaults('dev').pools.legacy).toBe(50);
  });
});

describe('values weaker than the guide’s', () => {
  const WEAKER: readonly (readonly [string, unknown, string])[] = [
    ['trigger', 'manual', 'expected change-window'],
    ['pools.multiplier', 1.4, 'expected at least 1.5'],
    ['latencyBudget', '21ms', 'expected at most 20ms'],
    ['latencyBudget', 'none', 'expected at most 20ms in prod (guide, environment matrix); got none'],
    ['approvals.machines', ['cutover'], 'expected all of dual-write, cutover, switchover, decommission'],
    ['approvals.notByRequester', false, 'expected true'],
    ['targetTimeout', '501ms', 'expected at most 500ms'],
    ['baseline.errorRatePercent', 0.011, 'expected at most 0.01'],
    ['baseline.probeWrites', 9_999, 'expected at least 10000'],
    ['relay.poll', '501ms', 'expected at most 500ms'],
    ['relay.retries', 2, 'expected at least 3'],
    ['reconcile.cycle', '61m', 'expected at most 1h in prod (guide, phase 3: run hourly)'],
    ['reconcile.window', '59m', 'at least'],
    ['reconcile.alert.driftPercent', 0.011, 'expected at most 0.01'],
    ['reconcile.alert.cycles', 6, 'expected at most 5'],
    ['reconcile.gate.driftPercent', 0.0011, 'expected at most 0.001'],
    ['reconcile.gate.for', '71h', 'expected at least 72h in prod (guide, phase 3); got 71h'],
    ['reconcile.gate.minimumRows', 99_999, 'expected at least 100000'],
    ['reconcile.missedCycle', 'pause', 'expected restart'],
    ['backfill.batchRows', 1001, 'expected at most 1000'],
    ['backfill.batchesPerSecond', 51, 'expected at most 50'],
    ['backfill.retries', 2, 'expected at least 3'],
    ['reads.canaryWeight', 0.11, 'expected at most 0.1'],
    ['reads.timeout', '201ms', 'expected at most 200ms'],
    ['reads.failureThreshold', 6, 'expected at most 5'],
    ['reads.soak', '23h', 'expected at least 24h'],
    ['reads.parity.concurrency', 49, 'expected at least 50'],
    ['reads.parity.for', '299s', 'expected at least 300s'],
    ['windows.baseline.max', '5h', 'expected at most 4h'],
    ['windows.dual-write.min', '3h', 'expected at least 4h'],
    ['windows.dual-write.max', '73h', 'expected at most 72h'],
    ['windows.reconcile.min', '71h', 'expected at least 72h'],
    ['windows.reconcile.max', 'none', 'expected at most 168h in prod (guide, phase 3); got none'],
    ['windows.cutover.min', '23h', 'expected at least 24h'],
    ['windows.cutover.max', '49h', 'expected at most 48h'],
    ['legacy.tls', 'require', 'expected verify-full'],
  ];

  test.each(WEAKER)('are refused in prod, with the guide’s value: %s %j', (path, value, expected) => {
    const issues = issuesOf(planWith('prod', path, value));

    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ path, message: expect.stringContaining(expected) });
  });

  test.each(WEAKER.filter(([path]) => path !== 'reconcile.window'))(
    'pass in dev and are listed beside the guide’s value where dev has one: %s %j',
    (path, value) => {
      const limit = GUIDE_LIMITS.find((candidate) => candidate.path === path);

      const found = deviations(loadPlan(planWith('dev', path, value), 'plan.yaml'));

      const unboundedInDev = [
        'trigger',
        'latencyBudget',
        'approvals.machines',
        'approvals.notByRequester',
        'reconcile.missedCycle',
        'pools.multiplier',
      ];
      expect(found.map((deviation) => deviation.path)).toEqual(unboundedInDev.includes(path) ? [] : [path]);
      expect(limit === undefined ? undefined : guideValue(limit, 'dev')).toBeDefined();
    },
  );

  test('cover every limit of the guide', () => {
    const untested = GUIDE_LIMITS.map(({ path }) => path).filter((path) => !WEAKER.some(([tested]) => tested === path));

    // The production fixture's target has the driver rds-data, which has no TLS setting.
    expect(untested).toEqual(['target.tls']);
  });

  test('of a rehearsal are shown as a plan file writes them', () => {
    const found = deviations(loadPlan(fixture('rehearsal'), 'rehearsal.yaml'));

    expect(found).toEqual([
      { path: 'reconcile.gate.for', value: '30s', guide: 'at least 72h', source: 'guide, phase 3' },
      { path: 'reconcile.gate.minimumRows', value: '0', guide: 'at least 100000', source: 'design §4' },
      { path: 'reads.soak', value: '20s', guide: 'at least 24h', source: 'guide, phase 4' },
      { path: 'legacy.tls', value: 'disable', guide: 'verify-full', source: 'design §9' },
      { path: 'target.tls', value: 'disable', guide: 'verify-full', source: 'design §9' },
    ]);
  });
});

test('stricter values than the guide’s pass in prod', () => {
  const stricter: readonly (readonly [string, unknown])[] = [
    ['reconcile.gate.for', '96h'],
    ['reads.timeout', '150ms'],
    ['pools.multiplier', 2],
    ['latencyBudget', '10ms'],
  ];

  const issues = stricter.flatMap(([path, value]) => issuesOf(planWith('prod', path, value)));

  expect(issues).toEqual([]);
});

import { expect, it } from 'vitest';
import { renderDriftReport } from '../../../lib/application/drift-report/page.ts';
import type { DriftReportInput } from '../../../lib/application/drift-report/report-input.ts';
import { readDriftClocks } from '../../../lib/application/operate/drift-clock.ts';
import type { CycleDocument, DriftDocument } from '../../../lib/contracts/documents.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-01-10T12:00:00.000Z');
const EVIL = '<script>alert("1")</script>&\'';
const alert = { driftPercent: 0.01, cycles: 5 };
const rule = {
  forMs: 72 * HOUR,
  driftPercent: 0.001,
  minimumRows: 100_000,
  cycleMs: HOUR,
  missedCycle: 'restart',
  tables: { [EVIL]: HOUR },
} as const;

function aCycle(hoursAgo: number, overrides: Partial<CycleDocument> = {}): CycleDocument {
  const drift = overrides.drift ?? 0;
  return {
    execution: EVIL,
    startedAt: new Date(NOW - hoursAgo * HOUR).toISOString(),
    endedAt: new Date(NOW - hoursAgo * HOUR + 60_000).toISOString(),
    mode: EVIL,
    scopeKind: 'full',
    tenants: [EVIL],
    tables: [
      {
        table: EVIL,
        rows: 1_000_000,
        chunks: 200,
        differingChunks: 0,
        drift: { missing: drift, extra: 0, different: 0 },
        inFlight: 0,
        unsettled: 0,
        repaired: 0,
        leftOut: 0,
        worst: [{ after: EVIL, through: null, rows: 5_000, keys: 3 }],
      },
    ],
    byTenant: { [EVIL]: { rows: 1_000_000, drift } },
    rows: 1_000_000,
    drift,
    driftPercent: drift / 10_000,
    upperBoundPercent: (drift + 3) / 10_000,
    complete: true,
    failed: false,
    ...overrides,
  };
}

function inputOf(newestFirst: readonly CycleDocument[], differences: readonly DriftDocument[] = []): DriftReportInput {
  return {
    plan: EVIL,
    environment: EVIL,
    at: new Date(NOW).toISOString(),
    rule,
    alert,
    view: readDriftClocks(newestFirst, differences, { driftGate: rule, driftAlert: alert }, [EVIL], new Date(NOW)),
    cycles: newestFirst,
    open: differences,
    incidents: [{ id: EVIL, says: EVIL, firstAt: EVIL }],
  };
}

const hours = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, n) => aCycle(to + n));
const difference: DriftDocument = {
  table: EVIL,
  rowKey: EVIL,
  tenant: EVIL,
  kind: 'different',
  columns: [EVIL],
  foundAt: new Date(NOW).toISOString(),
  cycle: new Date(NOW).toISOString(),
};

it('escapes every name from outside, wherever it stands, and loads nothing', () => {
  const page = renderDriftReport(inputOf([...hours(20, 1), aCycle(21, { drift: 50 }), ...hours(40, 22)], [difference]));

  expect(page).not.toContain('<script');
  expect(page).not.toContain('alert("1")');
  expect(page.split('&lt;script&gt;').length).toBeGreaterThan(8);
  expect(page).not.toMatch(/(src|href|url)\s*[=(]/);
  expect(page).not.toMatch(/NaN|undefined|null|Infinity/);
});

it('marks each cycle by form, the limits, what was missed, and where the clock started again', () => {
  const log = [
    ...hours(20, 1),
    aCycle(21, { drift: 50 }),
    aCycle(26, { failed: true, complete: false }),
    ...hours(40, 27),
  ];

  const page = renderDriftReport(inputOf(log));

  expect(page.match(/<g class="clean">/g)).toHaveLength(34);
  expect(page.match(/<g class="drifted">/g)).toHaveLength(1);
  expect(page.match(/<g class="failed">/g)).toHaveLength(1);
  expect(page.match(/<g class="gap">/g)).toHaveLength(1);
  expect(page).toContain('gate 0.001 %');
  expect(page).toContain('alert 0.01 %');
  expect(page).toContain('>restart</text>');
});

it('ends the drawn clock where the clock stands', () => {
  const page = renderDriftReport(inputOf(hours(80, 1)));

  const path = /class="clock" d="([^"]+)"/.exec(page)?.[1] ?? '';
  const top = /class="goal"[^>]* y1="(\d+)"/.exec(page)?.[1];
  expect(path.split(' ').at(-1)).toBe(`${top}.0`);
  expect(page).toContain('The drift gate passes.');
});

it('is a page without any cycle too', () => {
  const page = renderDriftReport(inputOf([]));

  expect(page).toContain('The drift clock does not run.');
  expect(page).toContain('no cycle is on record');
  expect(page).not.toMatch(/NaN|Infinity/);
});

it('does not grow without end', () => {
  const minutes = Array.from({ length: 3_000 }, (_, n) => aCycle((n + 1) / 60));

  const page = renderDriftReport(
    inputOf(
      minutes,
      Array.from({ length: 5_000 }, () => difference),
    ),
  );

  expect(page.length).toBeLessThan(600_000);
});

import { expect, test } from 'vitest';
import { type GrowthInput, modelGrowth } from '../../lib/domain/growth.ts';

const DAY = 86_400_000;
/** A week of writes at 500/s with the retention of prod. */
const WEEK: GrowthInput = {
  writesPerSecond: 500,
  retention: { outboxMs: 7 * DAY, appliedLogMs: 30 * DAY },
  liveRows: 20_000_000,
  distinctShare: 0.5,
  payloadBytes: 240,
  outageMs: 3_600_000,
};

test('a week at 500 writes a second is what docs/architecture.md says', () => {
  const growth = modelGrowth(WEEK);

  expect(growth).toEqual({
    outbox: { rows: 302_400_000, bytes: 52_012_800_000 },
    outage: { rows: 1_800_000, bytes: 900_000_000 },
    rowVersions: { rows: 300_000, bytes: 38_400_000 },
    appliedLog: { rows: 1_316_000_000, bytes: 347_424_000_000 },
    deletesPerSecond: 1250,
  });
});

test('nothing but the applied log grows with the age of the migration, and that only with the rows', () => {
  const small = modelGrowth({ ...WEEK, liveRows: 0 });
  const large = modelGrowth({ ...WEEK, liveRows: 1_000_000 });

  expect(large.appliedLog.rows - small.appliedLog.rows).toBe(1_000_000);
  expect(large.outbox).toEqual(small.outbox);
});

test('a shorter retention is a smaller table, in proportion', () => {
  const day = modelGrowth({ ...WEEK, retention: { outboxMs: DAY, appliedLogMs: 7 * DAY } });

  expect(day.outbox.bytes * 7).toBe(modelGrowth(WEEK).outbox.bytes);
});

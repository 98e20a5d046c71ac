/** The result for a reader at a terminal: rates with bars, what the engine says of itself, how it grows, and what was asked for. */
import { renderFrame, renderRates, renderTable, whole } from '../layout.ts';
import { costsOf, totalOf } from './costs.ts';
import type { Deployed } from './deployed.ts';
import { SMALL_HEAP } from './engine.ts';
import { type Growth, type GrowthPoint, slopeOf } from './growth.ts';
import type { EngineLine, Further, ReconcileResult } from './result.ts';

export function renderReport(result: ReconcileResult): string {
  const { rows, drained, engine, growth, deployed, further, backfill } = result;
  const frame = {
    what: `Reconciliation: ${whole(rows)} rows of 10 columns, about 270 bytes each; equal, drifted (140 rows scattered), 1 % changed`,
    unit: 'row',
    asked: 'ratios of rates; more is better unless it says time or memory',
  };
  return renderFrame(result, frame, [
    ...(drained.length === 0
      ? []
      : [
          'Rows a second of one side, process start included; every run found exactly what was planted.',
          renderRates(drained, 'row'),
        ]),
    ...(engine.length === 0 ? [] : [renderEngine(engine)]),
    ...(growth === null ? [] : [renderGrowth(growth)]),
    ...(deployed.length === 0 ? [] : [renderDeployed(deployed)]),
    ...further.flatMap(renderFurther),
    ...(backfill.length === 0 ? [] : [renderRates(backfill, 'row')]),
  ]);
}

function renderFurther({ title, drained, engine, deployed, smallHeapMb }: Further): readonly string[] {
  return [
    `${title}:`,
    renderRates(drained, 'row'),
    ...(engine.length === 0 ? [] : [renderEngine(engine)]),
    ...(smallHeapMb === null ? [] : [`${whole(smallHeapMb)} MB at its peak in a heap of ${SMALL_HEAP} MB`]),
    ...(deployed.length === 0 ? [] : [renderDeployed(deployed)]),
  ];
}

function renderEngine(lines: readonly EngineLine[]): string {
  return renderTable(
    ['engine', 'ms', 'start ms', 'chunks', 'differ', 'rows found', 'peak MB', 'wait not waited, ms'],
    lines.map(({ id, ms, startMs, chunks, differingChunks, found, maxRssMb, waitMs }) => [
      id,
      whole(ms),
      whole(startMs),
      chunks,
      differingChunks,
      whole(found),
      whole(maxRssMb),
      whole(waitMs),
    ]),
  );
}

function renderGrowth({ byRows, byChunks }: Growth): string {
  const table = renderTable(
    ['growth, fast', 'chunks that differ', 'ms', `peak MB, heap of ${SMALL_HEAP}`],
    [...byRows, ...byChunks].map(({ rows, differingChunks, ms, smallHeapMb }) => [
      `${whole(rows)} rows`,
      differingChunks,
      whole(ms),
      whole(smallHeapMb),
    ]),
  );
  const lines = [
    lineOf(byRows, 'a million rows', ({ rows }) => rows / 1e6),
    lineOf(byChunks, 'a chunk of 1 000 rows that differs', ({ differingChunks }) => differingChunks),
  ];
  return [table, '', ...lines].join('\n');
}

function lineOf(points: readonly GrowthPoint[], unit: string, x: (point: GrowthPoint) => number): string {
  const slope = slopeOf(points, x);
  if (slope === undefined) return `no slope for ${unit}`;
  return `${slope.perUnit.toFixed(1)} ms ${unit}, ${whole(slope.at0)} ms before the first, R² ${slope.fit.toFixed(3)}`;
}

function renderDeployed(lines: readonly Deployed[]): string {
  const table = renderTable(
    ['through AWS interfaces', 'start ms', 'plan ms', 'compare ms', 'settle ms', 'calls', 'statements', 'rows/s'],
    lines.map((line) => [
      line.title,
      line.startMs === null ? '-' : whole(line.startMs),
      line.planMs === null ? '-' : whole(line.planMs),
      whole(line.compareMs),
      line.settleMs === null ? '-' : whole(line.settleMs),
      line.calls,
      whole(line.traffic.requests),
      whole((1000 * line.rows) / totalOf(line)),
    ]),
  );
  const costs = costsOf(lines);
  return [
    table,
    ...costs.map(({ id, base, factor, explanation }) => `${id}: ${factor.toFixed(2)} × ${base}: ${explanation}`),
  ].join('\n');
}

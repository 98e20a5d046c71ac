/** The result for a reader at a terminal: rates with bars, what the engine says of itself, how it grows, and what was asked for. */
import { renderMachine, renderRates, renderSkipped, renderTable, renderVerdicts, whole } from '../layout.ts';
import type { Deployed } from './deployed.ts';
import { type Growth, type GrowthPoint, slopeOf } from './growth.ts';
import type { EngineLine, Further, ReconcileResult } from './result.ts';

export function renderReport(result: ReconcileResult): string {
  const parts = [
    `Reconciliation: ${whole(result.rows)} rows of 10 columns, about 270 bytes each; equal, drifted (140 rows scattered), 1 % changed; ${result.at}, ${Math.round(result.seconds)} s${result.quick ? ' — quick: too few rows for a judgement' : ''}`,
    ...renderMachine(result.machine, result.settings),
    'Rows a second of one side, process start included; every run found exactly what was planted.',
    renderRates(result.drained, 'row'),
    ...(result.engine.length === 0 ? [] : [renderEngine(result.engine)]),
    ...(result.growth === null ? [] : [renderGrowth(result.growth)]),
    ...(result.deployed.length === 0 ? [] : [renderDeployed(result.deployed, result.engine)]),
    ...result.further.flatMap(renderFurther),
    ...(result.backfill.length === 0 ? [] : [renderRates(result.backfill, 'row')]),
    renderVerdicts('asked for (ratios of rates; more is better unless it says time or memory)', result.verdicts),
    ...renderSkipped(result.skipped),
  ];
  return `${parts.join('\n\n')}\n`;
}

function renderFurther({ title, drained, engine, deployed }: Further): readonly string[] {
  return [
    `${title}:`,
    renderRates(drained, 'row'),
    ...(engine.length === 0 ? [] : [renderEngine(engine)]),
    ...(deployed.length === 0 ? [] : [renderDeployed(deployed, engine)]),
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
    ['growth, fast', 'chunks that differ', 'ms', 'peak MB'],
    [...byRows, ...byChunks].map(({ rows, differingChunks, ms, maxRssMb }) => [
      `${whole(rows)} rows`,
      differingChunks,
      whole(ms),
      whole(maxRssMb),
    ]),
  );
  const lines = [
    lineOf(byRows, 'a million rows', ({ rows }) => rows / 1e6),
    lineOf(byChunks, 'a chunk that differs', ({ differingChunks }) => differingChunks),
  ];
  return [table, '', ...lines].join('\n');
}

function lineOf(points: readonly GrowthPoint[], unit: string, x: (point: GrowthPoint) => number): string {
  const slope = slopeOf(points, x);
  if (slope === undefined) return `no slope for ${unit}`;
  return `${slope.perUnit.toFixed(1)} ms ${unit}, ${whole(slope.at0)} ms before the first, R² ${slope.fit.toFixed(3)}`;
}

function renderDeployed(lines: readonly Deployed[], engine: readonly EngineLine[]): string {
  const table = renderTable(
    ['through AWS interfaces', 'start ms', 'plan ms', 'compare ms', 'settle ms', 'calls', 'rows/s'],
    lines.map((line) => [
      line.title,
      line.startMs === null ? '-' : whole(line.startMs),
      line.planMs === null ? '-' : whole(line.planMs),
      whole(line.compareMs),
      line.settleMs === null ? '-' : whole(line.settleMs),
      line.calls,
      whole((1000 * line.rows) / totalOf(line)),
    ]),
  );
  return [table, ...explainCosts(lines, engine)].join('\n');
}

/** Where the time goes that `pg` in one process does not take. */
function explainCosts(lines: readonly Deployed[], engine: readonly EngineLine[]): readonly string[] {
  const direct = engine.find(({ id }) => id === 'fast/equal');
  if (direct === undefined) return [];
  return lines.map((line) => {
    const more = whole(Math.max(0, totalOf(line) - direct.ms));
    const each = (Math.max(0, totalOf(line) - direct.ms) / direct.chunks).toFixed(1);
    const over = `${line.id}: ${more} ms more than over pg, ${each} ms a chunk`;
    if (line.startMs === null)
      return `${over}: statements, values and answers as JSON over HTTP, through a process on the same cores`;
    return `${over}: of it ${whole(line.planMs ?? 0)} ms for the list of chunks before anything is compared, ${whole(line.settleMs ?? 0)} ms to gather results; each of ${line.calls} calls reads its cycle from the bucket and writes its results there; start-up (${whole(line.startMs)} ms) apart`;
  });
}

function totalOf({ planMs, compareMs, settleMs }: Deployed): number {
  return (planMs ?? 0) + compareMs + (settleMs ?? 0);
}

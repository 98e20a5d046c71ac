/** ANALYZE of every table before the first read moves (prior art, trap 13): planned on stale statistics, it would be a full scan. */

import { counted } from '../../../domain/counted.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { type AnalyzedRow, analyzeTable, countAnalyzeRuns } from '../../../sql/reads/analyze-table.ts';
import { loadMigration } from '../../migration.ts';
import { again, judged, proceed, type Step } from '../step.ts';

const SLICE_MS = 40_000;

export const analyzeTarget: Step = async (deps, run, data) => {
  const { tables } = await loadMigration(deps);
  if (run.dryRun) return proceed({ notes: [`would analyze ${counted(tables.length, 'table')} of the target`] });
  const session = deps.databases.open('target', 'install');
  const begun = deps.clock.now().getTime();
  const done = new Set(readDone(data));
  const skipped: string[] = [];
  for (const table of tables.filter(({ name }) => !done.has(name))) {
    if (deps.clock.now().getTime() - begun > SLICE_MS) return again(0, { data: { analyzed: [...done] } });
    const [before] = await session.query<AnalyzedRow>(countAnalyzeRuns(table));
    await session.query(analyzeTable(table));
    const [after] = await session.query<AnalyzedRow>(countAnalyzeRuns(table));
    // A role that may not analyze a table is warned and goes on: fail closed.
    if (after?.runs === before?.runs) skipped.push(table.name);
    else done.add(table.name);
  }
  const now = deps.clock.now();
  const gate = judgeGate(
    {
      gate: 'target-statistics',
      value: done.size,
      threshold: tables.length,
      comparison: 'at least',
      unit: 'tables analyzed',
      source: 'pg_stat_all_tables of the target',
      measuredAt: now,
      details: skipped.map(
        (name) => `${name} was not analyzed: the role of purpose install must own it, or be granted MAINTAIN`,
      ),
    },
    now,
  );
  return judged([gate], { notes: [`analyzed ${done.size} of ${counted(tables.length, 'table')} of the target`] });
};

function readDone(data: unknown): readonly string[] {
  // What this step itself handed on.
  return typeof data === 'object' && data !== null && 'analyzed' in data ? (data.analyzed as readonly string[]) : [];
}

/**
 * Tries real legacy rows of every table on the target, and writes to legacy with capture on, in transactions that are always rolled
 * back (guide, phase 2 dry run; latency budget of the environment).
 */

import { counted } from '../../../domain/counted.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { type SampleRow, sampleRows } from '../../../sql/source/sample-rows.ts';
import { judgeCaptureOverhead, measureCaptureOverhead } from '../../dual-write/capture-overhead.ts';
import { dryRunWrite } from '../../dual-write/dry-run-write.ts';
import { loadMigration } from '../../migration.ts';
import { judged, type Step } from '../step.ts';

/** Rows tried from each end of each table. */
const SAMPLE = 3;

export const dryRunWrites: Step = async (deps, run) => {
  const migration = await loadMigration(deps);
  const session = deps.databases.open('legacy', 'compare');
  const violations: string[] = [];
  let tried = 0;
  for (const table of migration.tables) {
    for (const sample of await session.query<SampleRow>(sampleRows(table, SAMPLE))) {
      const result = await dryRunWrite(migration, { table: table.name, payload: sample.payload });
      tried += 1;
      violations.push(...result.violations.map((violation) => `${table.name} ${sample.row_key}: ${violation}`));
    }
  }
  const gate = judgeGate(
    {
      gate: 'dry-run-writes',
      value: violations.length,
      threshold: 0,
      comparison: 'equals',
      unit: 'violations',
      source: `${counted(tried, 'row')} of legacy tried on the target and rolled back`,
      measuredAt: deps.clock.now(),
      details: violations.slice(0, 20),
    },
    deps.clock.now(),
  );
  const notes = [`${tried} writes tried on the target and rolled back`];
  // A dry run has installed nothing that could be timed.
  if (run.dryRun) return judged([gate], { notes });
  const overhead = await measureCaptureOverhead(migration);
  if (overhead.p99 !== null) deps.metrics.record('captureOverhead', overhead.p99, { store: 'legacy' });
  notes.push(
    overhead.p99 === null
      ? 'no row of legacy could be written, so what capture adds to a write is not known'
      : `capture adds p50 ${overhead.p50} ms, p99 ${overhead.p99} ms to a write of legacy (${overhead.samples} writes, rolled back)`,
  );
  return judged([gate, ...judgeCaptureOverhead(migration, overhead)], { notes });
};

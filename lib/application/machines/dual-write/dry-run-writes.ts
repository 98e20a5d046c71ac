/** Tries real legacy rows of every table on the target, in transactions that are always rolled back (guide, phase 2 dry run). */
import { judgeGate } from '../../../domain/gate.ts';
import { type SampleRow, sampleRows } from '../../../sql/source/sample-rows.ts';
import { dryRunWrite } from '../../dual-write/dry-run-write.ts';
import { loadMigration } from '../../migration.ts';
import { judged, type Step } from '../step.ts';

/** Rows tried from each end of each table. */
const SAMPLE = 3;

export const dryRunWrites: Step = async (deps) => {
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
      source: `${tried} rows of legacy tried on the target and rolled back`,
      measuredAt: deps.clock.now(),
      details: violations.slice(0, 20),
    },
    deps.clock.now(),
  );
  return judged([gate], { notes: [`${tried} writes tried on the target and rolled back`] });
};

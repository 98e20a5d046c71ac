/** What a person is told of a repair before it is decided: counts, tables, columns, and where to read the whole plan. */
import type { RepairDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import type { Deps } from '../deps.ts';
import { findRepair } from './repair-store.ts';

/** A cycle has one repair, however many executions it takes: what a dead one has written is known by the id. */
export function cycleRepairId(cycle: string): string {
  return fingerprint(['cycle', cycle]).slice(0, 8);
}

/** Of a run that is no cycle, whatever is called again: its own, or the one that it was asked to run. */
export function repairIdOf({ execution, startedAt, repairJob }: Run): string {
  if (repairJob?.do === 'run') return repairJob.repair;
  return fingerprint([execution, startedAt]).slice(0, 8);
}

/** For the approver; undefined when the run has no repair that waits. */
export async function repairQuestion(
  deps: Deps,
  run: Run,
): Promise<{ readonly question: string; readonly evidenceHash: string } | undefined> {
  const document = await findRepair(deps, repairIdOf(run));
  if (document === undefined) return undefined;
  const question = `Repair ${describeRepair(document).join('; ')}? Read it row by row: npx crossfade repair show ${document.id} --plan ${run.plan}`;
  return { question, evidenceHash: document.hash };
}

/** Lines: how many rows of which tables, which columns. */
export function describeRepair({ id, rows, tables, decisions, direction }: RepairDocument): readonly string[] {
  const store = direction === 'forward' ? 'target' : 'legacy';
  const actions = Object.entries(tables).map(
    ([table, { insert, update, delete: gone }]) =>
      `${table} ${insert} to insert, ${update} to update, ${gone} to delete`,
  );
  const columns = [...new Set(decisions.map(({ table, column }) => `${table}.${column}`))];
  return [
    `${id}: ${counted(rows, 'row')} of ${store}`,
    ...actions,
    ...(columns.length === 0 ? [] : [`columns ${columns.slice(0, 20).join(', ')}${columns.length > 20 ? ', …' : ''}`]),
  ];
}

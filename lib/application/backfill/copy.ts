/** Step `copy`: history in key order, page by page, at the plan's rate and inside its window; then rows that legacy does not have are removed by key. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import { counted } from '../../domain/counted.ts';
import type { MigratedTable } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { again, proceed } from '../machines/step.ts';
import { loadMigration } from '../migration.ts';
import { describeHold, readHold } from '../relay/delivery-hold.ts';
import { describeRate, type Stop } from './control.ts';
import { type Copying, copyTable } from './copy-table.ts';
import { createGovernor, type Governor } from './governor.ts';
import { runInOrder } from './in-order.ts';
import { copyData } from './plan-copy.ts';
import { readProgress, type TableProgress } from './progress.ts';
import { createSlots } from './slots.ts';
import { sweepTable } from './sweep-table.ts';
import { describeWindow, secondsUntilOpen } from './window.ts';

/**
 * A call ends after this long and is called again. A function has 300 s, and an execution 25 000 events at nine a call: calls of
 * 200 s let it copy for six days.
 */
const CALL_MS = 200_000;
/** How often a held delivery is looked at. */
const HOLD_SECONDS = 5;
/** How often a pause is looked at: a day of it takes a sixth of an execution's events. */
const PAUSE_SECONDS = 60;

export async function copy(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { tenants } = copyData(data);
  if (run.dryRun || tenants.length === 0) return proceed({ data });
  const migration = await loadMigration(deps);
  const { concurrency } = deps.plan.backfill;
  const until = deps.clock.now().getTime() + CALL_MS;
  const governor = await createGovernor(deps, migration.tables, until);
  const copying: Copying = { migration, tenants, governor, slots: createSlots(concurrency) };
  const ends: TableProgress[] = [];
  try {
    // Written parents first, removed children first: neither misses a foreign key.
    for (const [phase, tables] of [
      [copyTable, parentsFirst(migration.tables)],
      [sweepTable, childrenFirst(migration.tables)],
    ] as const) {
      const results = await runInOrder(tables, concurrency, async ({ table }) =>
        phase(copying, table, await readProgress(deps, table.name, tenants)),
      );
      ends.splice(0, ends.length, ...results);
      if (governor.stop !== null) break;
    }
  } finally {
    await governor.save().catch((error: unknown) => deps.log.warn('the pace is not saved', { reason: String(error) }));
  }
  const notes = [...ends.map(describeTable), ...notesOf(governor)];
  if (governor.stop === null) return proceed({ data, notes });
  const { seconds, why } = await waitOf(deps, governor, governor.stop);
  return again(seconds, { data, notes: [...notes, ...why] });
}

function parentsFirst(tables: readonly MigratedTable[]) {
  return tables.map((table) => ({ table, name: table.name, needs: table.references }));
}

function childrenFirst(tables: readonly MigratedTable[]) {
  return tables.toReversed().map((table) => ({
    table,
    name: table.name,
    needs: tables.filter((other) => other.references.includes(table.name)).map(({ name }) => name),
  }));
}

function describeTable({ table, rows, batches, removed, failures }: TableProgress): string {
  return `${table}: ${counted(rows, 'row')} in ${batches} batches, ${removed} removed, ${failures} failed`;
}

function notesOf(governor: Governor): readonly string[] {
  const throttled = governor.describe();
  return [describeRate(governor.rate()), ...(throttled === null ? [] : [`the target holds it back: ${throttled}`])];
}

/** How long a call that had to stop waits before it is called again, and why. */
export async function waitOf(
  deps: Deps,
  governor: Pick<Governor, 'control'>,
  stop: Stop,
): Promise<{ readonly seconds: number; readonly why: readonly string[] }> {
  switch (stop) {
    case 'held':
      return { seconds: HOLD_SECONDS, why: [describeHold((await readHold(deps)) ?? undefined)] };
    case 'paused': {
      const mark = governor.control.paused;
      const who = mark === undefined ? '' : ` by ${mark.by} since ${mark.at}: ${mark.why}`;
      return { seconds: PAUSE_SECONDS, why: [`paused${who}; run: npx crossfade backfill resume`] };
    }
    case 'window':
      return {
        seconds: secondsUntilOpen(deps),
        why: [`outside the off-peak window; ${describeWindow(deps)}`],
      };
    case 'time':
      return { seconds: 0, why: [] };
  }
}

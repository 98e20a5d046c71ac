/** Step `settle`: reads what differed again and again, further apart than the relay's lag, until it is known what is drift; then records the cycle. */
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import type { Deps } from '../deps.ts';
import { noteForeignDrift } from '../incidents/note-foreign-drift.ts';
import { watchStores } from '../incidents/watch-stores.ts';
import { again, proceed } from '../machines/step.ts';
import { loadMigration } from '../migration.ts';
import { type Cycle, readCycle, readResults, readSettling, type Settling, saveSettling } from './cycle-store.ts';
import { recordCycle, recordDrift } from './record-cycle.ts';
import { MAX_PENDING, MAX_ROUNDS, narrowToCopied, type PendingRow, settleRound } from './settle-round.ts';

/** Handed from step to step; the rest is in the bucket. */
export interface CycleData {
  readonly cycle: string;
  /** Rounds of `settle` that are over. */
  readonly round?: number;
  /** Epoch milliseconds before which the next round would be too early. */
  readonly notBefore?: number;
}

export async function settle(deps: Deps, run: Run, data: unknown): Promise<StepResult> {
  const { cycle: id, round = 0, notBefore = 0 } = cycleData(data);
  const waitMs = notBefore - deps.clock.now().getTime();
  if (waitMs > 0) return again(waitMs / 1000, { data });
  const cycle = await readCycle(deps.objects, id);
  const known = round === 0 ? await collect(deps, cycle) : await readSettling(deps.objects, cycle);
  if (known === undefined) throw new RangeError(`cycle ${id} has lost what it had settled; start another one`);

  const migration = await loadMigration(deps);
  const comparison = await narrowToCopied(migration, cycle.comparison);
  const result = await settleRound(migration, comparison, known.pending, round + 1);
  const settling: Settling = {
    ...known,
    pending: result.pending,
    drift: [...known.drift, ...result.drift],
    inFlight: addCounts(known.inFlight, result.inFlight),
  };
  await saveSettling(deps.objects, cycle, settling);
  const counted = `round ${round + 1}: ${settling.drift.length} rows drift, ${settling.pending.length} not settled`;
  if (settling.pending.length > 0 && round + 1 < MAX_ROUNDS) {
    const { recheckAfter } = deps.plan.reconcile;
    const next: CycleData = { cycle: id, round: round + 1, notBefore: deps.clock.now().getTime() + recheckAfter };
    return again(recheckAfter / 1000, { data: next, notes: [counted] });
  }
  if (!run.dryRun) {
    await noteForeignDrift(migration, comparison.direction, settling.drift);
    await watchStores(migration, comparison.direction);
    await recordDrift(deps, cycle, settling.drift);
    await recordCycle(deps, run, cycle, settling, {});
  }
  return proceed({ data: { cycle: id } satisfies CycleData, notes: [counted, ...settling.errors] });
}

/** @throws {RangeError} for data that no step of this machine handed on. */
export function cycleData(data: unknown): CycleData {
  if (typeof data !== 'object' || data === null || !('cycle' in data) || typeof data.cycle !== 'string')
    throw new RangeError('the step came without its cycle; plan-chunks hands it on');
  // Written by the steps of this machine.
  return data as CycleData;
}

export function addCounts(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...names].map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
}

async function collect(deps: Deps, cycle: Cycle): Promise<Settling> {
  const results = await readResults(deps.objects, cycle);
  const pending: PendingRow[] = [];
  const dropped: Record<string, number> = {};
  const errors: string[] = [];
  const tallies = new Map(
    cycle.comparison.tables.map(({ table }) => [table, { table, rows: 0, chunks: 0, differingChunks: 0, leftOut: 0 }]),
  );
  for (const result of results) {
    if (result === undefined) continue;
    if ('error' in result) {
      errors.push(result.error);
      continue;
    }
    const tally = tallies.get(result.table);
    if (tally === undefined) continue;
    tally.rows += result.rows;
    tally.leftOut += result.leftOut;
    tally.chunks += 1;
    tally.differingChunks += result.differs ? 1 : 0;
    const room = Math.max(0, MAX_PENDING - pending.length);
    if (result.keys.length > room) dropped[result.table] = (dropped[result.table] ?? 0) + result.keys.length - room;
    for (const rowKey of result.keys.slice(0, room)) pending.push({ table: result.table, rowKey, before: null });
  }
  const missing = results.filter((result) => result === undefined || 'error' in result).length;
  return { pending, drift: [], inFlight: {}, dropped, tables: [...tallies.values()], missing, errors };
}

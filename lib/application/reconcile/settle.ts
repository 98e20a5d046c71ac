/** Step `settle`: reads what differed again and again until it is known what is drift (ADR 030); then records the cycle. */
import type { WorstChunk } from '../../contracts/documents.ts';
import type { Run, StepResult } from '../../contracts/machine-io.ts';
import type { Deps } from '../deps.ts';
import { noteForeignDrift } from '../incidents/note-foreign-drift.ts';
import { watchStores } from '../incidents/watch-stores.ts';
import { again, proceed } from '../machines/step.ts';
import { loadMigration, type Migration } from '../migration.ts';
import { type Cycle, readCycle, readResults, readSettling, type Settling, saveSettling } from './cycle-store.ts';
import { keepWorst, recordCycle, recordDrift } from './record-cycle.ts';
import { MAX_PENDING, MAX_ROUNDS, narrowToCopied, type PendingRow, settleRound } from './settle-round.ts';
import { readShapes } from './subject.ts';

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
  const migration = await loadMigration(deps);
  const { direction } = cycle.comparison;
  const settling = (await doneBefore(deps, run, cycle, round)) ?? (await readRound(migration, run, cycle, round));
  const counted = `round ${round + 1}: ${settling.drift.length} rows drift, ${settling.pending.length} not settled`;
  if (settling.pending.length > 0 && round + 1 < MAX_ROUNDS) {
    const nextAt = Date.parse(settling.round.at) + deps.plan.reconcile.recheckAfter;
    const next: CycleData = { cycle: id, round: round + 1, notBefore: nextAt };
    return again(Math.max(0, nextAt - deps.clock.now().getTime()) / 1000, { data: next, notes: [counted] });
  }
  const settled = await compareSubject(migration, cycle, settling);
  if (!run.dryRun) {
    await noteForeignDrift(migration, direction, settling.drift);
    await watchStores(migration, direction);
    await recordDrift(deps, cycle, settling.drift);
    await recordCycle(deps, run, cycle, settled, {});
  }
  return proceed({
    data: { cycle: id } satisfies CycleData,
    notes: [counted, ...describeGone(settled), ...describeSetAside(settling), ...settled.errors],
  });
}

/** What is not as it was planned has been read half as one thing and half as another, or not at all. */
async function compareSubject(migration: Migration, cycle: Cycle, settling: Settling): Promise<Settling> {
  const { comparison, shapes } = cycle;
  const left = new Set((await narrowToCopied(migration, comparison)).tenants);
  // A call that is made again forgets nothing of what the one before it saw.
  const before = { gone: new Set(settling.gone), changed: new Set(settling.changed) };
  const gone = comparison.tenants.filter((tenant) => before.gone.has(tenant) || !left.has(tenant));
  const now = await readShapes(migration);
  const changed = comparison.tables
    .map(({ table }) => table)
    .filter((table) => before.changed.has(table) || (shapes !== undefined && shapes[table] !== now[table]));
  if (gone.length + changed.length === 0) return settling;
  const errors = changed.map((table) => `table ${table} changed while it was compared: it proves nothing`);
  const told = settling.errors.filter((error) => !errors.includes(error));
  const settled = { ...settling, gone, changed, errors: [...errors, ...told] };
  await saveSettling(migration.deps.objects, cycle, settled);
  return settled;
}

function describeGone({ gone = [] }: Settling): readonly string[] {
  if (gone.length === 0) return [];
  return [
    `turned off or on anew during the cycle, which proves nothing of them: ${gone.slice(0, MAX_ERRORS).join(', ')}`,
  ];
}

type Settled = Settling & { readonly round: NonNullable<Settling['round']> };

/**
 * A call that is made again after its result was written reads nothing: its rows would be judged by two reads of one moment, and a
 * row on its way would pass for drift.
 */
async function doneBefore(deps: Deps, run: Run, cycle: Cycle, round: number): Promise<Settled | undefined> {
  const stored = await readSettling(deps.objects, cycle);
  const done = stored?.round;
  if (stored === undefined || done === undefined) return undefined;
  return done.execution === run.execution && done.n === round + 1 ? { ...stored, round: done } : undefined;
}

async function readRound(migration: Migration, run: Run, cycle: Cycle, round: number): Promise<Settled> {
  const { deps } = migration;
  const known = round === 0 ? await begin(deps, cycle) : await readSettling(deps.objects, cycle);
  if (known === undefined) throw new RangeError(`cycle ${cycle.id} has lost what it had settled; start another one`);
  const comparison = await narrowToCopied(migration, cycle.comparison);
  const result = await settleRound(migration, comparison, known.pending, round + 1);
  const settling: Settled = {
    ...known,
    round: { execution: run.execution, n: round + 1, at: deps.clock.now().toISOString() },
    pending: result.pending,
    drift: [...known.drift, ...result.drift],
    converged: addCounts(known.converged ?? {}, result.converged),
    inFlight: addCounts(known.inFlight, result.inFlight),
    waiting: [...(known.waiting ?? []), ...result.waiting],
    setAside: [...known.setAside, ...result.setAside],
  };
  await saveSettling(deps.objects, cycle, settling);
  return settling;
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

/** Rows that differ for as long as nobody looks after their events. */
function describeSetAside({ setAside }: Settling): readonly string[] {
  const [first] = setAside;
  if (first === undefined) return [];
  const { table, rowKey, state, reason } = first;
  return [
    `${setAside.length} rows differ because their events are set aside, such as ${table} ${rowKey} (${state}: ${reason}); run: npx crossfade redrive --dry-run`,
  ];
}

/**
 * What an execution that died had found stays found: it may have repaired some of it already, and the cycle must not look clean
 * for that.
 */
async function begin(deps: Deps, cycle: Cycle): Promise<Settling> {
  const collected = await collect(deps, cycle);
  const drift = (await readSettling(deps.objects, cycle))?.drift ?? [];
  const found = new Set(drift.map(({ table, rowKey }) => `${table} ${rowKey}`));
  const pending = collected.pending.filter(({ table, rowKey }) => !found.has(`${table} ${rowKey}`));
  return { ...collected, pending, drift };
}

const EMPTY_TALLY = { rows: 0, chunks: 0, differingChunks: 0, leftOut: 0, worst: [] as readonly WorstChunk[] };
/** Reasons that a cycle tells; the others are much the same. */
const MAX_ERRORS = 20;

async function collect(deps: Deps, cycle: Cycle): Promise<Settling> {
  const pending: PendingRow[] = [];
  const dropped: Record<string, number> = {};
  const errors: string[] = [];
  const tenants: Record<string, number> = {};
  const tallies = new Map(cycle.comparison.tables.map(({ table }) => [table, { table, ...EMPTY_TALLY }]));
  let answered = 0;
  let unanswered = 0;
  for await (const result of readResults(deps.objects, cycle)) {
    if (result === undefined || 'error' in result) {
      unanswered += 1;
      if (result !== undefined && errors.length < MAX_ERRORS) errors.push(result.error);
      continue;
    }
    answered += 1;
    const { table, rows, leftOut, chunks, differing, keys, unlisted } = result;
    const tally = tallies.get(table);
    if (tally === undefined) continue;
    tally.rows += rows;
    tally.leftOut += leftOut;
    tally.chunks += chunks;
    tally.differingChunks += differing.length;
    tally.worst = keepWorst(tally.worst, differing);
    for (const [tenant, count] of Object.entries(result.tenants ?? {}))
      tenants[tenant] = (tenants[tenant] ?? 0) + count;
    const room = Math.max(0, MAX_PENDING - pending.length);
    const lost = unlisted + Math.max(0, keys.length - room);
    if (lost > 0) dropped[table] = (dropped[table] ?? 0) + lost;
    for (const rowKey of keys.slice(0, room)) pending.push({ table, rowKey, before: null });
  }
  const tables = [...tallies.values()];
  const chunks = tables.reduce((sum, tally) => sum + tally.chunks, 0);
  return {
    pending,
    drift: [],
    inFlight: {},
    setAside: [],
    dropped,
    tables,
    ...(Object.keys(tenants).length === 0 ? {} : { tenants }),
    // An item that did not answer has as many chunks as the others have on average, for all that is known.
    missing: unanswered * (answered === 0 ? 1 : Math.max(1, Math.round(chunks / answered))),
    errors,
  };
}

/**
 * The cycle that is under way, as a progress document. One that its execution left behind is gone on with by the next one, or
 * else recorded as failed: a cycle never disappears, and never counts as clean by being forgotten (design §4).
 */
import type { CycleDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import type { Deps } from '../deps.ts';
import { type Cycle, findCycle, readSettling } from './cycle-store.ts';
import { foundSoFar } from './record-cycle.ts';
import { keepTenants, withTenantLists } from './tenant-list.ts';

const OPEN = 'reconcile/open';

interface OpenCycle extends Pick<CycleDocument, 'tenants' | 'tenantsList' | 'generations'> {
  readonly cycle: string;
  readonly execution: string;
  readonly startedAt: string;
  readonly tables: readonly string[];
  readonly scopeKind: CycleDocument['scopeKind'];
  readonly mode: string;
}

export async function openCycle(deps: Deps, run: Run, cycle: Cycle): Promise<void> {
  const state: OpenCycle = {
    cycle: cycle.id,
    execution: run.execution,
    startedAt: cycle.startedAt,
    ...(await keepTenants(deps.objects, cycle.comparison.tenants, cycle.comparison.generations)),
    tables: cycle.comparison.tables.map(({ table }) => table),
    scopeKind: cycle.scopeKind,
    mode: cycle.comparison.mode,
  };
  await deps.documents.put(
    'progress',
    OPEN,
    { work: OPEN, state: { ...state }, at: deps.clock.now().toISOString() },
    'any',
  );
}

export async function closeCycle(deps: Deps): Promise<void> {
  await deps.documents.remove('progress', OPEN);
}

/**
 * A cycle of the same subject that died and is not older than one interval: its finished chunks are not read again.
 * Anything else that was left open is recorded as failed.
 */
export async function adoptCycle(deps: Deps, run: Run, subject: string): Promise<Cycle | undefined> {
  const open = await readOpen(deps);
  if (open === undefined) return undefined;
  const cycle = await findCycle(deps.objects, open.cycle);
  const ageMs = deps.clock.now().getTime() - Date.parse(open.startedAt);
  const isOurs = open.execution === run.execution;
  if (cycle?.subject === subject && (isOurs || ageMs <= deps.plan.reconcile.cycle)) return cycle;
  const failed = await failedCycle(deps, open);
  await deps.documents.put('cycle', open.cycle, failed, 'any');
  await closeCycle(deps);
  return undefined;
}

/** The cycle that nobody works on any more, as it will be recorded; undefined when there is none. */
export async function abandonedCycle(
  deps: Pick<Deps, 'documents' | 'objects' | 'clock'>,
): Promise<CycleDocument | undefined> {
  const open = await readOpen(deps);
  if (open === undefined) return undefined;
  const machine = await deps.documents.get('machine', 'reconcile');
  if (machine?.value.current?.execution === open.execution) return undefined;
  const [failed] = await withTenantLists(deps.objects, [await failedCycle(deps, open)]);
  return failed;
}

async function readOpen(deps: Pick<Deps, 'documents'>): Promise<OpenCycle | undefined> {
  const stored = await deps.documents.get('progress', OPEN);
  // Written above by the same code.
  return stored === undefined ? undefined : (stored.value.state as unknown as OpenCycle);
}

/** What it had found stays found: drift that a cycle saw is not undone by the cycle's end (design §4). */
async function failedCycle(
  { documents, objects, clock }: Pick<Deps, 'documents' | 'objects' | 'clock'>,
  open: OpenCycle,
): Promise<CycleDocument> {
  const stored = await documents.get('cycle', open.cycle);
  if (stored !== undefined) return { ...stored.value, complete: false, failed: true };
  const cycle = await findCycle(objects, open.cycle);
  const settling = cycle === undefined ? undefined : await readSettling(objects, cycle);
  const found = cycle === undefined || settling === undefined ? {} : foundSoFar(cycle, settling);
  return { ...unknownCycle(open, clock.now()), ...found };
}

function unknownCycle(open: OpenCycle, now: Date): CycleDocument {
  const { execution, startedAt, tenants, tenantsList, generations, tables, scopeKind, mode } = open;
  return {
    execution,
    startedAt,
    endedAt: now.toISOString(),
    mode,
    scopeKind,
    tenants,
    tenantsList,
    generations,
    tables: tables.map(emptyTally),
    coveragePercent: 0,
    durationMs: Math.max(0, now.getTime() - Date.parse(startedAt)),
    rows: 0,
    drift: 0,
    driftPercent: 0,
    upperBoundPercent: 100,
    complete: false,
    failed: true,
  };
}

/** It says which tables the cycle was about, and that nothing is known of them. */
function emptyTally(table: string): CycleDocument['tables'][number] {
  const drift = { missing: 0, extra: 0, different: 0 };
  return { table, rows: 0, chunks: 0, differingChunks: 0, drift, inFlight: 0, unsettled: 0, repaired: 0, leftOut: 0 };
}

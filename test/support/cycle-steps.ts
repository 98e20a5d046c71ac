/** A reconciliation cycle as its state machine runs it, step by step; the Distributed Map is a loop over batches. */
import type { Deps } from '../../lib/application/deps.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { type ChunkItem, findCycle, readSettling, type Settling } from '../../lib/application/reconcile/cycle-store.ts';
import type { CycleDocument } from '../../lib/contracts/documents.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';

export interface CycleOutcome {
  readonly id: string;
  readonly settling: Settling;
  readonly document: CycleDocument;
}

const ITEMS_A_BATCH = 4;

/** @throws {Error} when the cycle was refused, or left no record. */
export async function runCycle(deps: Deps, run: Run): Promise<CycleOutcome> {
  const planned = await runStep(deps, 'plan-chunks', run, null);
  if (!planned.proceed) throw new Error(planned.reasons.join('; '));
  const items = await itemsOf(deps, planned);
  for (let first = 0; first < items.length; first += ITEMS_A_BATCH)
    await runStep(deps, 'compare-chunks', run, { items: items.slice(first, first + ITEMS_A_BATCH) });
  const settled = await runStep(deps, 'settle', run, planned.data);
  await runStep(deps, 'needs-approval', run, settled.data);
  const repaired = await runStep(deps, 'repair', run, settled.data);
  const recorded = await runStep(deps, 'record', run, repaired.data);
  const { cycle: id } = recorded.data as { readonly cycle: string };
  const cycle = await findCycle(deps.objects, id);
  const settling = cycle === undefined ? undefined : await readSettling(deps.objects, cycle);
  const document = (await deps.documents.get('cycle', id))?.value;
  if (settling === undefined || document === undefined) throw new Error(`cycle ${id} left no record`);
  return { id, settling, document };
}

/** Until it no longer answers "again". */
export async function runStep(deps: Deps, name: string, run: Run, data: unknown): Promise<StepResult> {
  const work = reconcileMachine.steps[name];
  if (work === undefined) throw new Error(`no step ${name}`);
  for (let given = data; ; ) {
    const result = await work(deps, run, given);
    if (!result.again) return result;
    await deps.clock.sleep(result.waitSeconds * 1_000);
    given = result.data;
  }
}

/** What the Distributed Map reads from the bucket. */
export async function itemsOf(deps: Deps, planned: StepResult): Promise<readonly ChunkItem[]> {
  const { chunks } = planned.data as { readonly chunks: { readonly Key: string } };
  return JSON.parse((await deps.objects.get(chunks.Key)) ?? '[]') as ChunkItem[];
}

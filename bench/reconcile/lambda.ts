/** A cycle's comparison in Lambda functions of the AWS emulator, called as the state machine calls them, without the machine's own waits. */
import type { Run, StepEvent, StepResult } from '../../lib/contracts/machine-io.ts';
import { inPages } from '../../lib/domain/chunk.ts';
import type { Front } from '../data-api-front.ts';
import { benchDeps, openAs } from '../engine-deps.ts';
import { type BenchFunction, type LambdaHost, startLambdaHost } from '../lambda-host.ts';
import type { Deployed } from './deployed.ts';
import { TENANTS } from './planted.ts';
import { PLAN_SECTIONS, type State } from './states.ts';

/** Functions at once: as many as the machine has cores, which the servers share. */
const CALLS_AT_ONCE = 2;
/** A machine's step asks to be called again at most so often. */
const MAX_AGAIN = 100;

/** @throws {Error} one line, when the emulator is not installed, or a step fails or refuses. */
export async function compareInLambda(front: Front, state: State): Promise<Deployed> {
  const host = await startLambdaHost(front, 'reconcile');
  try {
    const { plan } = benchDeps(openAs(state.urls, state.roles), PLAN_SECTIONS);
    const reconcile = await host.deploy({ ...plan, ...front.sections(state.urls, state.roles) });
    const startMs = await timeOf(() => openContainers(reconcile));
    await front.traffic();
    let planned: unknown = null;
    const planMs = await timeOf(async () => {
      planned = await step(reconcile, { step: 'plan-chunks', run: RUN, data: null });
    });
    const { chunks, itemsPerCall } = planned as PlannedChunks;
    // The list that plan-chunks wrote.
    const items = JSON.parse((await host.objects.get(chunks.Key)) ?? '[]') as readonly unknown[];
    const batches = inPages(items, itemsPerCall);
    const compareMs = await timeOf(async () => {
      const queue = batches.values();
      const work = async () => {
        for (const Items of queue) await step(reconcile, { step: 'compare-chunks', run: RUN, Items });
      };
      await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work));
    });
    const settleMs = await timeOf(() => step(reconcile, { step: 'settle', run: RUN, data: planned }));
    await checkCycle(host, state);
    return {
      way: 'lambda',
      id: `lambda/${state.name}`,
      title: `engine in Lambda (emulator), Data API front, ${state.name}`,
      rows: state.rows,
      startMs,
      planMs,
      compareMs,
      settleMs,
      calls: batches.length + 2,
      items: items.length,
      traffic: await front.traffic(),
    };
  } finally {
    await host.stop();
  }
}

/** What plan-chunks hands to the Distributed Map. */
interface PlannedChunks {
  readonly chunks: { readonly Key: string };
  readonly itemsPerCall: number;
}

const RUN: Run = {
  execution: 'arn:aws:states:us-east-1:000000000000:execution:bench-reconcile:bench',
  machine: 'reconcile',
  plan: 'bench',
  scope: TENANTS,
  // A dry run compares a sample only.
  dryRun: false,
  from: null,
  repair: false,
  mode: 'fast',
  tables: [],
  limit: null,
  requestedBy: 'benchmark',
  startedAt: '2026-01-01T00:00:00.000Z',
};

/** @throws {Error} unless the cycle's record covers every row and shows no drift. */
async function checkCycle({ documents }: LambdaHost, state: State): Promise<void> {
  const cycles = await documents.list('cycle');
  const rows = cycles.map(({ value }) => value.rows);
  const drift = cycles.reduce((sum, { value }) => sum + value.drift, 0);
  if (cycles.length !== 1 || rows[0] !== state.rows || drift > 0)
    throw new Error(
      `the cycles' records have ${rows.join(' and ')} rows instead of ${state.rows}, and ${drift} drifted`,
    );
}

/** A call that finds nothing to do: containers that a schedule keeps warm have been opened long ago. */
async function openContainers(reconcile: BenchFunction): Promise<void> {
  const empty: StepEvent = { step: 'compare-chunks', run: RUN, Items: [] };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, () => step(reconcile, empty)));
}

/** @returns what the step hands on. @throws {Error} when it refuses. */
async function step(reconcile: BenchFunction, event: StepEvent): Promise<unknown> {
  let data = event.data;
  for (let call = 0; call < MAX_AGAIN; call++) {
    const result = await reconcile.call<StepResult>({ ...event, data });
    data = result.data;
    if (result.again) continue;
    if (!result.proceed) throw new Error(`${event.step} refused: ${result.reasons.join('; ')}`);
    return data;
  }
  throw new Error(`${event.step} asked to be called again ${MAX_AGAIN} times`);
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Repair and the cycles around it: a cycle waits for nobody, a plan that waits keeps no cycle from running, and two never write at once. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { runStep as runMachine } from '../../lib/application/machines/run-step.ts';
import { cycleRepairId } from '../../lib/application/repair/question.ts';
import { updateRepair } from '../../lib/application/repair/repair-store.ts';
import type { RepairDocument } from '../../lib/contracts/documents.ts';
import type { MachineInput, Run, StepResult } from '../../lib/contracts/machine-io.ts';
import { runCycle, runStep } from '../support/cycle-steps.ts';
import type { TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';
import { freshShop, openShop, SHOP_PLAN, shopRows, writePastTheFence } from '../support/shop.ts';

const PLAN = `${SHOP_PLAN}
reconcile: { cycle: 1h, fullEvery: 1h, chunkRows: 10, splitRows: 3, recheckAfter: 5s, haltDriftPercent: 100, repair: { automatic: true, capRows: 2 } }
`;
const ABOVE_THE_CAP = `UPDATE orders SET note = 'rogue' WHERE id IN (3, 4, 5)`;

let shop: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let runs = 0;

beforeAll(async () => {
  shop = await openShop(PLAN, shopRows(20, 10));
});

afterAll(() => shop?.close());

beforeEach(async () => {
  ({ clock, deps } = await freshShop(shop));
  const { workflow } = deps;
  // Whoever holds the machine in these tests still runs.
  const describe: typeof workflow.describe = async (execution) => ({ execution, status: 'running' }) as never;
  deps = { ...deps, workflow: { ...workflow, describe } };
});

function aCycleRun(): Run {
  runs += 1;
  const startedAt = clock.now().toISOString();
  return aRun({ machine: 'reconcile', scope: ['acme', 'umbrella'], execution: `a:cycle-${runs}`, startedAt });
}

/** @throws {Error} when it was not let in. */
async function begin(input: Partial<MachineInput>): Promise<Run> {
  runs += 1;
  const startedAt = clock.now().toISOString();
  const event = { step: 'begin', begin: { input: { plan: 'test', ...input }, execution: `a:run-${runs}`, startedAt } };
  const begun = (await runMachine(reconcileMachine, deps, event)) as StepResult;
  if (!begun.proceed || begun.run == null) throw new Error(begun.reasons.join());
  return begun.run;
}

/** A person starts the plan, and the machine asks for its approval. */
async function askFor(repair: string): Promise<Run> {
  const run = await begin({ repairJob: { do: 'run', repair } });
  const asked = await runStep(deps, 'needs-approval', run, null);
  expect(asked.data).toEqual({ approvalRequired: true });
  await runMachine(reconcileMachine, deps, { step: 'request-approval', run, taskToken: 'token' });
  return run;
}

async function approve({ execution }: Run): Promise<void> {
  const found = (await deps.documents.list('approval')).find(({ value }) => value.execution === execution);
  if (found === undefined) throw new Error('nobody was asked');
  const decision = { approved: true, by: 'bob', at: clock.now().toISOString(), comment: '' };
  await deps.documents.put('approval', found.id, { ...found.value, decision }, 'any');
}

const repairs = async (): Promise<readonly RepairDocument[]> =>
  (await deps.documents.list('repair')).map(({ value }) => value);
const isHeldBy = async () => (await deps.documents.get('machine', 'reconcile'))?.value.current?.execution;
const rogues = async () =>
  (await shop.target.query(`SELECT id::int AS id FROM orders WHERE note = 'rogue'`)).rows.length;

describe('a cycle whose repair is above the cap', () => {
  it('asks nobody, ends on record, and leaves the plan for repair run', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    const run = aCycleRun();

    const { id, document } = await runCycle(deps, run);

    expect(document).toMatchObject({ drift: 3, complete: true, failed: false });
    expect(document.tables.map(({ repaired }) => repaired)).toEqual([0, 0, 0]);
    expect(await repairs()).toMatchObject([{ id: cycleRepairId(id), cycle: id, rows: 3, state: 'planned' }]);
    expect(await rogues()).toBe(3);
    expect((await deps.documents.list('progress')).map(({ id: work }) => work)).not.toContain('reconcile/open');
  });

  it('says what to run', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    const run = aCycleRun();
    const { id } = await runCycle(deps, run);

    const asked = await runStep(deps, 'needs-approval', run, { cycle: id });

    expect(asked.data).toEqual({ approvalRequired: false });
    expect(asked.notes.join()).toContain(`run: npx crossfade repair run ${cycleRepairId(id)}`);
  });

  it('does not make a second plan of rows that one waits for, and makes one when there are others', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    await runCycle(deps, aCycleRun());
    await clock.sleep(3_600_000);
    await runCycle(deps, aCycleRun());
    const afterTwo = (await repairs()).length;

    await writePastTheFence(shop, `UPDATE orders SET note = 'rogue' WHERE id = 6`);
    await clock.sleep(3_600_000);
    await runCycle(deps, aCycleRun());

    expect(afterTwo).toBe(1);
    expect((await repairs()).map(({ rows }) => rows).toSorted()).toEqual([3, 4]);
  });
});

describe('a repair that waits for an approval', () => {
  it('keeps no cycle from running, and no cycle ends its plan', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    const { id } = await runCycle(deps, aCycleRun());
    await askFor(cycleRepairId(id));
    await clock.sleep(3_600_000);

    const { document } = await runCycle(deps, await begin({}));

    expect(document).toMatchObject({ drift: 3, complete: true });
    expect(await repairs()).toMatchObject([{ state: 'awaiting-approval' }]);
  });

  it('is carried out when it is approved, behind the cycle that runs then', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    const { id } = await runCycle(deps, aCycleRun());
    const waiting = await askFor(cycleRepairId(id));
    const cycle = await begin({});
    await approve(waiting);

    const early = await reconcileMachine.steps.repair?.(deps, waiting, null);
    await runMachine(reconcileMachine, deps, { step: 'finish', run: cycle });
    const late = await reconcileMachine.steps.repair?.(deps, waiting, null);

    expect(early).toMatchObject({ again: true, notes: [`waits for ${cycle.execution} to end`] });
    expect(late?.notes[0]).toBe('repaired 3 of 3 rows');
    expect([await rogues(), await isHeldBy()]).toEqual([0, waiting.execution]);
  });

  it('does not count as a comparison that passed', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    const { id } = await runCycle(deps, aCycleRun());
    const waiting = await askFor(cycleRepairId(id));
    await approve(waiting);
    await reconcileMachine.steps.repair?.(deps, waiting, null);

    await runMachine(reconcileMachine, deps, { step: 'finish', run: waiting });

    expect((await deps.documents.get('machine', 'reconcile'))?.value.passed).toEqual({});
  });

  it('is refused when somebody else has run and undone it meanwhile', async () => {
    await writePastTheFence(shop, ABOVE_THE_CAP);
    const { id } = await runCycle(deps, aCycleRun());
    const waiting = await askFor(cycleRepairId(id));
    await approve(waiting);
    await updateRepair(deps, cycleRepairId(id), { state: 'undone', ranBy: 'a:somebody-else' });

    const refused = await reconcileMachine.steps.repair?.(deps, waiting, null);

    expect(refused?.reasons.join()).toContain(`repair ${cycleRepairId(id)} is undone`);
    expect(await rogues()).toBe(3);
  });
});

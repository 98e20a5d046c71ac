/** Repairs: plans to review, carry out and take back. What reads or writes rows is done by the reconcile machine and the relay. */
import { loadMigration } from '../../application/migration.ts';
import { messageOf, type Operator, OperatorError } from '../../application/operate/operator.ts';
import { listRepairs, type RepairPayload, readRepair, showRepair } from '../../application/operate/repairs.ts';
import { undo } from '../../application/operate/undo.ts';
import { type ShownValues, showValues } from '../../application/reconcile/show-values.ts';
import { repairBatch } from '../../contracts/repair.ts';
import { counted } from '../../domain/counted.ts';
import { findCycle, parseCycleStart, parseRepairId } from '../check-input.ts';
import { type Command, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Answer, Context } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { FOLLOW_OPTIONS, type RunAnswer, startAndFollow } from '../follow.ts';
import { openHere } from '../here.ts';
import { withProgress } from '../progress.ts';
import { renderValues } from '../render/here.ts';
import { stack } from '../render/layout.ts';
import { renderRepair, renderRepairs } from '../render/repair.ts';
import { renderRun } from '../render/run.ts';
import { renderUndo } from '../render/undo.ts';

/** The relay is started each minute and looks every few seconds while it runs. */
const RELAY_WAIT_MS = 90_000;
const ID = { name: '<id>', about: 'repair, as repair list names it' };
const REASON = { flags: '--reason <why>', kind: 'text', about: 'why, for the record' } as const;

export const REPAIR_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'repair list',
    group: 'Data',
    about: 'repairs that are planned, wait for an approval, or run',
    options: [
      { flags: '--all', kind: 'switch', about: 'those that are over too' },
      { flags: '--limit <repairs>', kind: 'count', about: 'show at most so many', fallback: 20 },
    ],
    examples: [{ command: 'repair list --all', about: 'what was repaired, and by whom?' }],
    action: async (context, input) => {
      const request = { all: input.switched('all'), limit: input.number('limit') ?? 20 };
      return { payload: await listRepairs(await context.open(), request), exit: EXIT.done };
    },
    render: renderRepairs,
  }),
  defineCommand({
    name: 'repair show',
    group: 'Data',
    about: 'one repair: rows, columns, digests before and after, who wins each column and why, what became of it',
    details:
      'Shows keys, names and digests; values only with --show-values, read from the stores by this machine, which needs the plan file\nand a way to them. Exits 3 when the plan in the bucket is not the one that was recorded.',
    arguments: [ID],
    options: [
      { flags: '--table <table>', kind: 'text', about: 'only rows of this table' },
      { flags: '--limit <rows>', kind: 'count', about: 'show at most so many rows', fallback: 50 },
      {
        flags: '--show-values',
        kind: 'switch',
        about: 'print what the rows hold in both stores now (default: masked)',
      },
    ],
    examples: [{ command: 'repair show 1f3c9a07 --limit 200', about: 'read it before it is approved' }],
    action: async (context, input): Promise<Answer<ShownRepair>> => {
      const id = parseRepairId(input.argument(0));
      const request = { id, table: input.text('table'), limit: input.number('limit') ?? 50 };
      const payload = await showRepair(await context.open(), request);
      if (!input.switched('showValues')) return { payload, exit: EXIT.done };
      return { payload: { ...payload, values: await readValues(context, payload) }, exit: EXIT.done };
    },
    render: (payload, paint) =>
      stack(renderRepair(payload, paint), payload.values === undefined ? '' : renderValues(payload.values, paint)),
  }),
  defineCommand({
    name: 'repair plan',
    group: 'Data',
    about: 'plan the repair of what drifts, to be reviewed; nothing is written to a table',
    details:
      'Starts the reconcile machine, which reads the rows again: what has become equal or has an event on its way is left out.\nExits 4 when there is something to repair, 3 when no difference is open.',
    options: [
      { flags: '--table <table>', kind: 'list', about: 'only rows of this table (repeatable)' },
      { flags: '--tenant <tenant>', kind: 'list', about: 'only rows of this tenant (repeatable)' },
      {
        flags: '--cycle <start>',
        kind: 'text',
        about: 'only what this cycle saw; its start, or how it begins (default: all that is open)',
      },
      REASON,
      ...FOLLOW_OPTIONS,
    ],
    examples: [
      { command: 'repair plan', about: 'everything that is open' },
      { command: 'repair plan --table orders --tenant acme', about: 'one tenant, one table' },
    ],
    action: async (context, input) => {
      const given = input.text('cycle');
      const begins = given === undefined ? null : parseCycleStart(given, 'repair plan --help');
      const cycle =
        begins === null ? null : await findCycle((await context.open()).documents, begins, 'repair plan --help');
      const answer = await startAndFollow(context, input, {
        machine: 'reconcile',
        scope: [],
        dryRun: false,
        tables: input.list('table'),
        reason: input.text('reason'),
        repairJob: { do: 'plan', cycle, tenants: input.list('tenant') },
      });
      const made = await madeBy(await context.open(), answer.payload.run.execution);
      return made === undefined ? answer : withNext(answer, (await context.open()).command(`repair show ${made}`));
    },
    render: renderRun,
  }),
  defineCommand({
    name: 'repair run',
    group: 'Data',
    about: 'carry out a plan as it was reviewed, through the same guarded apply as everything else',
    details:
      'Each row is read again right before: with an event on its way it is left alone, and what is not as it was reviewed waits for the next plan.\nAbove the cap, and where the plan asks for it, it waits for an approval. Exits 0 when all is equal, 4 when rows were left, 3 when it may not run, 5 waiting for a person.',
    arguments: [ID],
    options: [
      { flags: '--dry-run', kind: 'switch', about: 'read every row and say what would be done' },
      REASON,
      ...FOLLOW_OPTIONS,
    ],
    examples: [
      { command: 'repair run 1f3c9a07 --dry-run', about: 'is it still as it was reviewed?' },
      { command: 'repair run 1f3c9a07 --reason "fixed by hand on the 3rd"', about: 'carry it out' },
    ],
    action: async (context, input) => {
      const id = parseRepairId(input.argument(0));
      const dryRun = input.switched('dryRun');
      const operator = await context.open();
      const { rows } = await readRepair(operator, id);
      if (!dryRun) await confirm(context, `carry out repair ${id}, ${counted(rows, 'row')}?`);
      const answer = await startAndFollow(context, input, {
        machine: 'reconcile',
        scope: [],
        dryRun,
        reason: input.text('reason'),
        repairJob: { do: 'run', repair: id },
      });
      const isTried = dryRun && answer.payload.run.state === 'passed';
      return isTried ? withNext(answer, operator.command(`repair run ${id}`)) : answer;
    },
    render: renderRun,
  }),
  defineCommand({
    name: 'repair undo',
    group: 'Data',
    about: 'put the target back as it was before a repair',
    details:
      'A row is touched only while the repair is the last that wrote it. Legacy is not touched and stays authoritative: the rows drift again, and the next cycle finds them.\nExits 4 when rows were left, 3 while delivery is held, after switchover, and for a repair that has written nothing.',
    arguments: [ID],
    options: [
      { flags: '--dry-run', kind: 'switch', about: 'only say what would become of each row' },
      { flags: '--reason <why>', kind: 'text', about: 'why, for the record', fallback: 'no reason given' },
    ],
    examples: [{ command: 'repair undo 1f3c9a07 --dry-run', about: 'what would go back?' }],
    action: async (context, input) => {
      const named = parseRepairId(input.argument(0));
      const operator = await context.open();
      const { id } = await readRepair(operator, named);
      const dryRun = input.switched('dryRun');
      if (!dryRun) await confirm(context, `undo repair ${id} on the target?`);
      const request = {
        correlationId: repairBatch(id),
        repair: id,
        dryRun,
        why: input.text('reason') ?? 'no reason given',
        waitMs: RELAY_WAIT_MS,
        signal: context.interrupted(),
      };
      const payload = await withProgress(context.terminal, 'waiting for the relay', undo(operator, request));
      const isLeft = payload.rows.some(({ outcome }) => outcome === 'left');
      if (isLeft) return { payload, exit: EXIT.differences };
      // The rows drift again, and a cycle has to find them.
      const next = operator.command(dryRun ? `repair undo ${id}` : 'reconcile');
      return { payload: { ...payload, next }, exit: EXIT.done };
    },
    render: renderUndo,
  }),
];

/** The plan that an execution has made. */
async function madeBy({ documents }: Operator, execution: string): Promise<string | undefined> {
  const repairs = await documents.list('repair');
  return repairs.find(({ value }) => value.execution === execution)?.id;
}

function withNext(answer: Answer<RunAnswer>, next: string): Answer<RunAnswer> {
  return { ...answer, payload: { ...answer.payload, next } };
}

type ShownRepair = RepairPayload & { readonly values?: ShownValues | undefined };

/** From the stores, never through what Crossfade keeps in AWS. */
async function readValues(context: Context, { repair, planned }: RepairPayload): Promise<ShownValues> {
  const command = `repair show ${repair.id} --show-values`;
  const deps = await openHere(context, { what: '--show-values reads', command });
  try {
    const rows = planned.map(({ table, rowKey, columns }) => ({
      table,
      rowKey,
      columns: columns.filter(({ before, after }) => before !== after).map(({ column }) => column),
    }));
    return await showValues(await loadMigration(deps), rows);
  } catch (error) {
    throw new OperatorError('refused', `values cannot be read from this machine: ${messageOf(error)}`, {
      next: `npx crossfade repair show ${repair.id}`,
      cause: error,
    });
  } finally {
    await deps.databases.close();
  }
}

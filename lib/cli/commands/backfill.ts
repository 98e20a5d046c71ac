/** Watching, tuning and pausing the copy of history while it runs. */
import {
  pauseBackfill,
  readBackfillStatus,
  requireTuning,
  resumeBackfill,
  tuneBackfill,
} from '../../application/operate/backfill.ts';
import { type Command, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { renderBackfillControl, renderBackfillStatus } from '../render/backfill.ts';

export const BACKFILL_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'backfill status',
    group: 'Data',
    about: 'how far the copy is, how fast, when it ends, and what holds it back',
    details: 'Exits 4 when rows could not be written: each is named with its reason.',
    examples: [{ command: 'backfill status', about: 'when will it be done?' }],
    action: async (context) => {
      const payload = await readBackfillStatus(await context.open());
      return { payload, exit: payload.tables.some(({ failures }) => failures > 0) ? EXIT.differences : EXIT.done };
    },
    render: renderBackfillStatus,
  }),
  defineCommand({
    name: 'backfill tune',
    group: 'Data',
    about: "change the copy's rate while it runs, up to the guide's limits",
    details:
      'Read before each batch: it holds from the next one on, until --reset. Outside of dev the guide binds:\n50 batches a second of 1000 rows. Exits 3 above that; nothing is changed then.',
    options: [
      { flags: '--batches-per-second <batches>', kind: 'count', about: 'batches a second, over all workers' },
      { flags: '--batch-rows <rows>', kind: 'count', about: 'rows a batch' },
      { flags: '--reset', kind: 'switch', about: "back to the plan's numbers" },
      { flags: '--reason <why>', kind: 'text', about: 'why, for the record', fallback: 'no reason given' },
    ],
    examples: [
      { command: 'backfill tune --batches-per-second 20 --batch-rows 500', about: '10 000 rows a second at most' },
      { command: 'backfill tune --reset', about: 'as the plan has it' },
    ],
    action: async (context, input) => {
      const tuning = {
        batchesPerSecond: input.number('batchesPerSecond'),
        batchRows: input.number('batchRows'),
        reset: input.switched('reset'),
        why: input.text('reason') ?? 'no reason given',
      };
      requireTuning(tuning);
      return { payload: await tuneBackfill(await context.open(), tuning), exit: EXIT.done };
    },
    render: renderBackfillControl,
  }),
  defineCommand({
    name: 'backfill pause',
    group: 'Data',
    about: 'let the copy wait before its next batch; everything else goes on',
    options: [{ flags: '--reason <why>', kind: 'text', about: 'why, for the record', fallback: 'no reason given' }],
    examples: [{ command: 'backfill pause --reason "nightly load of the target"', about: 'leave the target alone' }],
    action: async (context, input) => ({
      payload: await pauseBackfill(await context.open(), input.text('reason') ?? 'no reason given'),
      exit: EXIT.done,
    }),
    render: renderBackfillControl,
  }),
  defineCommand({
    name: 'backfill resume',
    group: 'Data',
    about: 'let the copy go on where it stopped, within a minute',
    examples: [{ command: 'backfill resume', about: 'go on after the last row that was applied' }],
    action: async (context) => ({ payload: await resumeBackfill(await context.open()), exit: EXIT.done }),
    render: renderBackfillControl,
  }),
];

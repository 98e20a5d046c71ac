/** Taking back what was written to the target under one correlation id. */
import { undo } from '../../application/operate/undo.ts';
import { type Command, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { withProgress } from '../progress.ts';
import { renderUndo } from '../render/undo.ts';

/** The relay is started each minute and looks every few seconds while it runs. */
const RELAY_WAIT_MS = 90_000;

export const UNDO_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'undo',
    group: 'Data',
    about: 'take back what was written to the target under a correlation id',
    details:
      'A row is touched only while that write is its current version; what was written since, by whomever, is left and named.\nLegacy is not touched: rows of tenants that are on are read afresh from it at once.\nExits 4 when rows were left, 3 while delivery is held and after switchover, 5 when the relay did not come to it, 2 when no such write is on record.',
    arguments: [
      {
        name: '<correlation-id>',
        about: 'x-correlation-id of the request, its trace id, or the batch of a copy or repair',
      },
    ],
    options: [
      { flags: '--dry-run', kind: 'switch', about: 'only say what would become of each row' },
      { flags: '--reason <why>', kind: 'text', about: 'why, for the record', fallback: 'no reason given' },
    ],
    examples: [
      { command: 'undo web-4711 --dry-run', about: 'what would go?' },
      { command: 'undo web-4711 --reason "written under a wrong mapping"', about: 'erase it, and read it afresh' },
    ],
    action: async (context, input) => {
      const correlationId = input.argument(0);
      const dryRun = input.switched('dryRun');
      if (!dryRun) await confirm(context, `undo the writes of ${correlationId} on the target?`);
      const request = {
        correlationId,
        dryRun,
        why: input.text('reason') ?? 'no reason given',
        waitMs: RELAY_WAIT_MS,
        signal: context.interrupted(),
      };
      const payload = await withProgress(
        context.terminal,
        'waiting for the relay',
        undo(await context.open(), request),
      );
      const isLeft = payload.rows.some(({ outcome }) => outcome === 'left');
      return { payload, exit: isLeft ? EXIT.differences : EXIT.done };
    },
    render: renderUndo,
  }),
];

/** Commands on what must not happen and did. */
import { askToClose, showIncidents } from '../../application/operate/incidents.ts';
import { recover } from '../../application/operate/recover.ts';
import { type Command, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { wantsToWait } from '../follow.ts';
import { withProgress } from '../progress.ts';
import { renderClosing, renderIncidents, renderRecover } from '../render/incidents.ts';

/** The relay is started each minute and looks every few seconds; transactions of the old epoch are waited for. */
const RELAY_WAIT_MS = 120_000;

export const INCIDENT_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'incidents show',
    group: 'Watch',
    about: 'foreign writes, capture or fences that were bypassed, a history that was lost',
    details: 'Exits 4 while any is open: cutover and switchover are refused until then. Shows keys, never values.',
    options: [{ flags: '--all', kind: 'switch', about: 'closed ones, too' }],
    examples: [{ command: 'incidents show', about: 'who wrote where, and what was bypassed?' }],
    action: async (context, input) => {
      const payload = await showIncidents(await context.open(), { all: input.switched('all') });
      return { payload, exit: payload.open > 0 ? EXIT.differences : EXIT.done };
    },
    render: renderIncidents,
  }),
  defineCommand({
    name: 'incidents close',
    group: 'Control',
    about: 'close an incident that is explained: the controller carries it out within a minute',
    details:
      'A foreign write closes by itself once its rows were repaired, and a bypass once a clean full pass has begun after it was\nmended; this is for what needs neither. What is seen afterwards opens it anew. Exits 3 for a lost history, and for one that is closed.',
    arguments: [{ name: '<id>', about: 'incident, as incidents show names it' }],
    options: [{ flags: '--comment <text>', kind: 'text', about: 'why, for the evidence log', required: true }],
    examples: [
      {
        command: 'incidents close legacy/bypass/capture/orders --comment "maintenance CHG-1234, nothing was written"',
        about: 'it is explained',
      },
    ],
    action: async (context, input) => ({
      payload: await askToClose(await context.open(), input.argument(0), input.text('comment') ?? ''),
      exit: EXIT.done,
    }),
    render: renderClosing,
  }),
  defineCommand({
    name: 'recover',
    group: 'Control',
    about: 'after a store was restored to an earlier state: begin a new epoch in both',
    details:
      'Refuses everything of the lost history, opens every tenant anew and counts none as copied: all rows are copied or compared\nagain before delivery counts. Reads of the target return to legacy. The relay carries it out; exits 5 when it has not come to\nit yet, 3 when no loss is known.',
    options: [
      { flags: '--reason <why>', kind: 'text', about: 'why, for the record', fallback: 'no reason given' },
      { flags: '--force', kind: 'switch', about: 'although no loss was noticed' },
      { flags: '--dry-run', kind: 'switch', about: 'only say what is known of the loss' },
      { flags: '--wait', kind: 'switch', about: 'wait for the relay (default on a terminal)' },
      { flags: '--no-wait', kind: 'switch', about: 'leave the request and return (default elsewhere)' },
    ],
    examples: [
      { command: 'recover --dry-run', about: 'what was lost?' },
      { command: 'recover --reason "legacy was restored to 12:00"', about: 'begin a new epoch' },
    ],
    action: async (context, input) => {
      const dryRun = input.switched('dryRun');
      if (!dryRun) await confirm(context, 'begin a new epoch, and copy or compare every row again?');
      const waits = !dryRun && wantsToWait(context, input);
      const work = recover(await context.open(), {
        why: input.text('reason') ?? 'no reason given',
        force: input.switched('force'),
        dryRun,
        waitMs: waits ? RELAY_WAIT_MS : 0,
        signal: waits ? context.interrupted() : undefined,
      });
      const payload = await withProgress(context.terminal, 'waiting for the relay', work);
      return { payload, exit: waits && payload.carriedOutAt === null ? EXIT.waiting : EXIT.done };
    },
    render: renderRecover,
  }),
];

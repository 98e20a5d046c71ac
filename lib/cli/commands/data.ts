/** Commands on rows that differ and events that were set aside. They show keys and columns, never values. */
import { makeDriftReport, readDriftStatus, showDrift } from '../../application/operate/drift.ts';
import { explainDrift } from '../../application/operate/explain-drift.ts';
import { explainParked } from '../../application/operate/explain-parked.ts';
import { parseDirection, redrive, SET_ASIDE_STATES } from '../../application/operate/redrive.ts';
import { checkRowKey, parseCycleStart } from '../check-input.ts';
import { type Command, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { wantsToWait } from '../follow.ts';
import { withProgress } from '../progress.ts';
import { renderDriftReport, renderDriftShow, renderDriftStatus } from '../render/drift.ts';
import { renderDriftExplain } from '../render/explain-drift.ts';
import { renderExplained } from '../render/explained.ts';
import { renderRedrive } from '../render/redrive.ts';

/** The relay is started each minute and looks every few seconds while it runs. */
const RELAY_WAIT_MS = 90_000;

export const DATA_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'drift status',
    group: 'Data',
    about: 'the drift clock of everything, of each table and each tenant; the last cycle, the next one, the alert',
    details: 'Exits 4 while differences are open. The worst tables and tenants are shown; --json has all of them.',
    examples: [{ command: 'drift status', about: 'how long until cutover may start?' }],
    action: async (context) => {
      const payload = await readDriftStatus(await context.open());
      return { payload, exit: payload.openDifferences > 0 ? EXIT.differences : EXIT.done };
    },
    render: renderDriftStatus,
  }),
  defineCommand({
    name: 'drift show',
    group: 'Data',
    about: 'rows that differ: table, key, kind, columns, and what became of them',
    details: 'Exits 4 when any is open.',
    options: [
      { flags: '--table <table>', kind: 'text', about: 'only this table' },
      { flags: '--tenant <tenant>', kind: 'list', about: 'only this tenant (repeatable)' },
      {
        flags: '--cycle <start>',
        kind: 'text',
        about: 'those that this cycle saw, open or over; its start, or how it begins',
      },
      { flags: '--all', kind: 'switch', about: 'those that are over too, for as long as the gate remembers them' },
      { flags: '--after <difference>', kind: 'text', about: 'the page behind this one, as the page before names it' },
      { flags: '--limit <rows>', kind: 'count', about: 'show at most so many', fallback: 50 },
    ],
    examples: [
      { command: 'drift show', about: 'all open differences' },
      { command: 'drift show --table orders --tenant acme', about: 'those of one tenant in one table' },
      { command: 'drift show --cycle 2026-01-05T12 --all', about: 'what the cycles of that hour saw' },
    ],
    action: async (context, input) => {
      const cycle = input.text('cycle');
      const begins = cycle === undefined ? undefined : parseCycleStart(cycle, 'drift show --help');
      const payload = await showDrift(await context.open(), {
        table: input.text('table'),
        tenants: input.list('tenant'),
        cycle: begins,
        all: input.switched('all'),
        after: input.text('after'),
        limit: input.number('limit') ?? 50,
      });
      return { payload, exit: payload.open > 0 ? EXIT.differences : EXIT.done };
    },
    render: renderDriftShow,
  }),
  defineCommand({
    name: 'drift explain',
    group: 'Data',
    about: 'the history of one row from capture to now, and what to do about it',
    details:
      'Asks the relay, which reads both stores: events, tries, applied log, repairs, the version in force, which columns differ now. Shows keys, names and masked digests, never values.\nExits 4 while the row differs, 0 when it does not, 2 when nothing is on record for that key.',
    arguments: [
      { name: '<table>', about: 'table, as drift show names it' },
      { name: '<key>', about: 'row key, as drift show names it' },
    ],
    options: [{ flags: '--no-wait', kind: 'switch', about: 'tell what is on record, without asking the relay' }],
    examples: [
      { command: `drift explain orders '[7]'`, about: 'why does this row differ?' },
      { command: 'drift explain orders 7 --no-wait', about: 'what is on record, at once' },
    ],
    action: async (context, input) => {
      const rowKey = checkRowKey(input.argument(1), 'drift explain --help');
      const work = explainDrift(await context.open(), {
        table: input.argument(0),
        rowKey,
        waitMs: input.choice('wait') === false ? 0 : RELAY_WAIT_MS,
        signal: context.interrupted(),
      });
      const payload = await withProgress(context.terminal, 'waiting for the relay', work);
      return { payload, exit: payload.differs ? EXIT.differences : EXIT.done };
    },
    render: renderDriftExplain,
  }),
  defineCommand({
    name: 'drift report',
    group: 'Data',
    about: 'the drift clock as a page: plotted over time, with tables, tenants, worst chunks and the last cycles',
    details: 'One file that needs nothing else. Each cycle leaves the same page in the bucket, as reports/drift.html.',
    options: [{ flags: '--out <file>', kind: 'text', about: 'file to write', fallback: 'drift.html' }],
    examples: [{ command: 'drift report --out drift.html', about: 'something to show to those who decide' }],
    action: async (context, input) => {
      const operator = await context.open();
      const page = await makeDriftReport(operator);
      const out = input.text('out') ?? 'drift.html';
      await context.writeFile(out, page);
      const payload = { out, bytes: Buffer.byteLength(page), next: operator.command('drift status') };
      return { payload, exit: EXIT.done };
    },
    render: renderDriftReport,
  }),
  defineCommand({
    name: 'redrive',
    group: 'Data',
    about: 'bring dead-lettered and parked events back to the relay',
    details:
      'Leaves a request that the relay carries out within a minute. Nothing is applied twice: versions decide.\nExits 5 when it waited and the relay has not come to it yet.',
    options: [
      { flags: '--direction <direction>', kind: 'text', about: 'forward or reverse (default: both)' },
      { flags: '--tenant <tenant>', kind: 'list', about: 'only events of this tenant (repeatable)' },
      { flags: '--only <state>', kind: 'text', about: 'only events of this state', choices: SET_ASIDE_STATES },
      { flags: '--dry-run', kind: 'switch', about: 'only say what is set aside, and why' },
      { flags: '--wait', kind: 'switch', about: 'wait for the relay (default on a terminal)' },
      { flags: '--no-wait', kind: 'switch', about: 'leave the request and return (default elsewhere)' },
    ],
    examples: [
      { command: 'redrive --dry-run', about: 'what is set aside, and why?' },
      { command: 'redrive --tenant acme --dry-run', about: 'and of one tenant?' },
      { command: 'redrive --direction forward --only dead', about: 'try again what ran out of tries' },
    ],
    action: async (context, input) => {
      const direction = input.text('direction');
      const only = SET_ASIDE_STATES.find((state) => state === input.text('only'));
      const waits = wantsToWait(context, input);
      const work = redrive(await context.open(), {
        direction: direction === undefined ? undefined : parseDirection(direction),
        states: only === undefined ? SET_ASIDE_STATES : [only],
        tenants: input.list('tenant'),
        dryRun: input.switched('dryRun'),
        waitMs: waits ? RELAY_WAIT_MS : 0,
        signal: waits ? context.interrupted() : undefined,
      });
      const payload = await withProgress(context.terminal, 'waiting for the relay', work);
      const isOpen = payload.directions.some(({ requested, carriedOutAt }) => requested && carriedOutAt === null);
      return { payload, exit: isOpen && waits ? EXIT.waiting : EXIT.done };
    },
    render: renderRedrive,
  }),
  defineCommand({
    name: 'parked explain',
    group: 'Data',
    about: 'say why events that were set aside are to stay so; the gate of dual-write passes them over',
    details:
      'The event stays where it is, and blocks a switchover all the same. redrive --dry-run names positions (seq).',
    arguments: [{ name: '<seq>', about: 'position in the outbox, as redrive and the gate name it' }],
    options: [
      { flags: '--direction <direction>', kind: 'text', about: 'forward or reverse', fallback: 'forward' },
      { flags: '--reason <why>', kind: 'text', about: 'why it may stay, for the record', required: true },
    ],
    examples: [
      { command: 'parked explain 4711 --reason "test data of 2019, CHG-1234"', about: 'let the gate pass it over' },
    ],
    action: async (context, input) => {
      const direction = parseDirection(input.text('direction') ?? 'forward');
      const request = { direction, seqs: [input.argument(0)], why: input.text('reason') ?? '' };
      return { payload: await explainParked(await context.open(), request), exit: EXIT.done };
    },
    render: renderExplained,
  }),
];

/** One write, from the request that made it to the row in the other store. */
import { parseTraceQuery, type TraceOutcome, trace } from '../../application/operate/trace.ts';
import { type Command, defineCommand } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { withProgress } from '../progress.ts';
import { renderTrace } from '../render/trace.ts';

/** The relay is started each minute and looks every few seconds while it runs. */
const RELAY_WAIT_MS = 90_000;

const EXIT_OF_OUTCOME: Readonly<Record<TraceOutcome, ExitCode>> = {
  delivered: EXIT.done,
  'on-its-way': EXIT.waiting,
  'set-aside': EXIT.differences,
  differs: EXIT.differences,
};

export const TRACE_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'trace',
    group: 'Data',
    about: 'the whole story of a write, by its correlation id',
    details:
      'Asks the relay, which reads both stores: capture, tries, applied log, repairs, the row’s version and a masked digest of it in each store. Shows keys and states, never values.\nExits 0 when everything was delivered, 4 when something was set aside or the rows differ, 5 while it is on its way or nobody answers, 2 when no such write is on record.',
    arguments: [
      { name: '[correlation-id]', about: 'x-correlation-id of the request, its trace id, or the batch of a repair' },
    ],
    options: [
      { flags: '--table <table>', kind: 'text', about: 'a row instead: its table' },
      { flags: '--key <key>', kind: 'text', about: 'and its key, as drift show names it' },
      { flags: '--seq <seq>', kind: 'text', about: 'an event instead: its position in the outbox' },
      { flags: '--direction <direction>', kind: 'text', about: 'with --seq: forward or reverse (default: forward)' },
      {
        flags: '--idempotency-key <key>',
        kind: 'text',
        about: 'an event instead: its idempotency key (reads the outbox through)',
      },
    ],
    examples: [
      { command: 'trace web-4711', about: 'what became of the writes of this request?' },
      { command: `trace --table orders --key '[7]'`, about: 'what was written to this row?' },
      { command: 'trace --seq 90210 --json', about: 'one event, for a program' },
    ],
    action: async (context, input) => {
      const query = parseTraceQuery({
        id: input.optionalArgument(0),
        table: input.text('table'),
        key: input.text('key'),
        seq: input.text('seq'),
        direction: input.text('direction'),
        idempotencyKey: input.text('idempotencyKey'),
      });
      const work = trace(await context.open(), query, { waitMs: RELAY_WAIT_MS, signal: context.interrupted() });
      const payload = await withProgress(context.terminal, 'waiting for the relay', work);
      return { payload, exit: EXIT_OF_OUTCOME[payload.outcome] };
    },
    render: renderTrace,
  }),
];

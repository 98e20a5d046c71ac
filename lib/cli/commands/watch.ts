/** Commands that look and change nothing. */
import { runDoctor } from '../../application/operate/doctor.ts';
import type { RunsPayload } from '../../application/operate/read-runs.ts';
import { findRun, listRuns, nextCommand } from '../../application/operate/read-runs.ts';
import { parseMachine } from '../../application/operate/start-machine.ts';
import { readStatus } from '../../application/operate/status.ts';
import { type Command, defineCommand } from '../command.ts';
import type { Answer } from '../context.ts';
import { EXIT, EXIT_OF_RUN } from '../exit-codes.ts';
import { FOLLOW_OPTIONS, follow, type RunAnswer } from '../follow.ts';
import { fileHashOf } from '../plan-file.ts';
import { withProgress } from '../progress.ts';
import { renderDoctor } from '../render/doctor.ts';
import { renderRunDetails, renderRuns } from '../render/run.ts';
import { renderStatus } from '../render/status.ts';
import { watchStatus } from '../watch.ts';

export const WATCH_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'status',
    group: 'Watch',
    about: 'where the migration stands: phase, machines, tenants, why it waits, what comes next',
    details:
      'Exits 0 whenever it could be read. With --watch it is drawn again every two seconds until Ctrl-C;\nwith --json --watch, one line a change.',
    options: [{ flags: '--watch', kind: 'switch', about: 'go on watching' }],
    examples: [
      { command: 'status', about: 'the first command of every shift' },
      { command: 'status --watch', about: 'watch a machine at work' },
      { command: "status --json | jq '.waitsFor'", about: 'why it waits, for a script' },
    ],
    action: async (context, input) => {
      const operator = await context.open();
      const payload = input.switched('watch')
        ? await watchStatus(context, operator)
        : await withProgress(context.terminal, 'reading the control table', readStatus(operator));
      return { payload, exit: EXIT.done };
    },
    render: renderStatus,
  }),
  defineCommand({
    name: 'runs',
    group: 'Watch',
    about: 'runs on record, or one of them with its steps and gates',
    details:
      'With an id it exits as the run ended: 0 passed, 3 refused, 4 differences, 1 failed or halted.\n--wait follows a run that goes on.',
    arguments: [{ name: '[id]', about: 'run, as status and start name it' }],
    options: [
      { flags: '--machine <machine>', kind: 'text', about: 'only runs of this machine' },
      { flags: '--limit <runs>', kind: 'count', about: 'at most so many', fallback: 20 },
      ...FOLLOW_OPTIONS,
    ],
    examples: [
      { command: 'runs', about: 'the last 20' },
      { command: 'runs 20260105T120000Z-1a2b3c4d', about: 'one run: steps, gates, reasons' },
      { command: 'runs 20260105T120000Z-1a2b3c4d --wait', about: 'follow it to its end' },
    ],
    action: async (context, input): Promise<Answer<RunsPayload | RunAnswer>> => {
      const operator = await context.open();
      const id = input.optionalArgument(0);
      const machine = input.text('machine');
      if (id === undefined) {
        const payload = await listRuns(operator, {
          machine: machine === undefined ? undefined : parseMachine(machine),
          limit: input.number('limit') ?? 20,
        });
        return { payload, exit: EXIT.done };
      }
      const run = await findRun(operator, id);
      if (run.state === 'running' && input.choice('wait') === true) return follow(context, operator, run);
      return { payload: { run, waitsFor: null, next: nextCommand(operator, run) }, exit: EXIT_OF_RUN[run.state] };
    },
    render: (payload, paint) => ('runs' in payload ? renderRuns(payload, paint) : renderRunDetails(payload, paint)),
  }),
  defineCommand({
    name: 'doctor',
    group: 'Watch',
    about: 'check the deployment and the migration: what is missing, stuck, silent, dead or held',
    details: 'Exits 0 when no check failed (warnings pass), 1 otherwise.',
    options: [{ flags: '--file <file>', kind: 'text', about: 'plan file to compare with the deployed plan' }],
    examples: [
      { command: 'doctor', about: 'before and after every change' },
      { command: 'doctor --file plans/shop.yaml', about: 'is this file what is deployed?' },
    ],
    action: async (context, input) => {
      const connection = await context.connect();
      const { plan, identity, systems, system, open, command } = connection;
      const fileHash = await fileHashOf(context, input.text('file'));
      const payload = await withProgress(
        context.terminal,
        'checking',
        runDoctor({ plan, identity, systems, system, open, command, fileHash }),
      );
      return { payload, exit: payload.healthy ? EXIT.done : EXIT.failed };
    },
    render: renderDoctor,
  }),
];

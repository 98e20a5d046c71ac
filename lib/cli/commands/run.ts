/** Commands that start machines. */
import { OperatorError } from '../../application/operate/operator.ts';
import { parseForwardMachine, type StartRequest } from '../../application/operate/start-machine.ts';
import { REGION_PREFIX } from '../../contracts/machine-io.ts';
import { type Command, defineCommand, type OptionRow } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { FOLLOW_OPTIONS, startAndFollow } from '../follow.ts';
import type { Input } from '../input.ts';
import { renderRun } from '../render/run.ts';

const TENANT: OptionRow = {
  flags: '--tenant <tenant>',
  kind: 'list',
  about: 'tenant that it is about (repeatable; default: all)',
};
const REGION: OptionRow = {
  flags: '--region <region>',
  kind: 'list',
  about: 'every tenant that the plan puts into the region (repeatable)',
};
const DRY_RUN: OptionRow = {
  flags: '--dry-run',
  kind: 'switch',
  about: 'run the same code and change nothing but logs and a record marked dry',
};
const REASON: OptionRow = { flags: '--reason <why>', kind: 'text', about: 'why, for the record' };
const RECONCILE_OPTIONS: readonly OptionRow[] = [
  { flags: '--repair', kind: 'switch', about: 'repair the drift that is proved' },
  {
    flags: '--mode <mode>',
    kind: 'text',
    about: 'how rows are compared (default: the plan’s)',
    choices: ['count', 'checksum', 'columns'],
  },
  { flags: '--table <table>', kind: 'list', about: 'table of the plan (repeatable; default: all)' },
  { flags: '--limit <rows>', kind: 'count', about: 'compare at most so many rows' },
];
/** Machines whose work is hard to take back: a person at a terminal is asked once more. */
const ASKED = ['switchover', 'decommission'];

export const RUN_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'start',
    group: 'Run',
    about: 'start a machine: baseline, dual-write, backfill, reconcile, cutover, switchover, decommission',
    details:
      'The name of a phase is taken where it names one machine. Repair, mode, table and limit are for\nreconcile. Exits 0 passed, 3 refused by a gate, 4 differences found, 5 waiting for a person, 1 failed or halted.',
    arguments: [{ name: '<machine>', about: 'machine, or phase' }],
    options: [TENANT, REGION, DRY_RUN, ...RECONCILE_OPTIONS, REASON, ...FOLLOW_OPTIONS],
    examples: [
      { command: 'start baseline', about: 'the first machine of a migration' },
      { command: 'start dual-write --tenant acme --tenant globex', about: 'expose two tenants' },
      { command: 'start cutover --dry-run', about: 'judge its gates and change nothing' },
      { command: 'start switchover --wait', about: 'follow it; ends with 5 when an approval is asked for' },
    ],
    action: async (context, input) => {
      const machine = parseForwardMachine(input.argument(0));
      if (machine !== 'reconcile') refuseReconcileOptions(input);
      const request: StartRequest = {
        ...commonOf(input),
        machine,
        ...(machine === 'reconcile' ? reconcileOf(input) : {}),
      };
      if (ASKED.includes(machine)) await askFor(context, request, `start ${machine} for real`);
      return startAndFollow(context, input, request);
    },
    render: renderRun,
  }),
  defineCommand({
    name: 'reconcile',
    group: 'Run',
    about: 'run one reconciliation cycle: compare, recheck, and repair if asked',
    details: 'The same as start reconcile. Exits 4 when rows differ.',
    options: [TENANT, REGION, DRY_RUN, ...RECONCILE_OPTIONS, REASON, ...FOLLOW_OPTIONS],
    examples: [
      {
        command: 'reconcile --mode=checksum --table=orders --limit=2000 --dry-run --log-level=DEBUG',
        about: "the guide's dry run",
      },
      { command: 'reconcile --table=orders --repair', about: 'repair what differs in one table' },
    ],
    action: (context, input) =>
      startAndFollow(context, input, { ...commonOf(input), ...reconcileOf(input), machine: 'reconcile' }),
    render: renderRun,
  }),
  defineCommand({
    name: 'rollback',
    group: 'Run',
    about: 'the way back from a machine; ends when the state that it promises is verified',
    details: 'Tenants that are not in its scope are not touched. Waits for an approval where the plan asks for one.',
    arguments: [{ name: '<machine>', about: 'machine, or phase, whose work is undone' }],
    options: [TENANT, REGION, DRY_RUN, REASON, ...FOLLOW_OPTIONS],
    examples: [
      {
        command: 'rollback cutover --tenant acme --reason "slow reads"',
        about: 'bring the reads of one tenant back to legacy',
      },
      { command: 'rollback dual-write --dry-run', about: 'say what would be erased' },
    ],
    action: async (context, input) => {
      const from = parseForwardMachine(input.argument(0));
      const request: StartRequest = { ...commonOf(input), machine: 'rollback', from };
      await askFor(context, request, `roll ${from} back`);
      return startAndFollow(context, input, request);
    },
    render: renderRun,
  }),
];

function commonOf(input: Input): Pick<StartRequest, 'scope' | 'dryRun' | 'reason'> {
  const regions = input.list('region').map((region) => `${REGION_PREFIX}${region}`);
  return {
    scope: [...input.list('tenant'), ...regions],
    dryRun: input.switched('dryRun'),
    reason: input.text('reason'),
  };
}

function reconcileOf(input: Input): Pick<StartRequest, 'repair' | 'mode' | 'tables' | 'limit'> {
  return {
    repair: input.switched('repair'),
    mode: input.text('mode'),
    tables: input.list('table'),
    limit: input.number('limit'),
  };
}

function refuseReconcileOptions(input: Input): void {
  const given = (['repair', 'mode', 'table', 'limit'] as const).filter(
    (name) =>
      input.switched(name) ||
      input.text(name) !== undefined ||
      input.list(name).length > 0 ||
      input.number(name) !== undefined,
  );
  if (given.length > 0)
    throw new OperatorError('usage', `--${given.join(', --')} is for reconcile`, {
      next: 'npx crossfade reconcile --help',
    });
}

async function askFor(context: Context, { dryRun, scope }: StartRequest, what: string): Promise<void> {
  if (dryRun) return;
  await confirm(context, `${what}, ${scope.length === 0 ? 'all tenants' : scope.join(', ')}?`);
}

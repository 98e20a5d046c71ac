/** Commands that hold, release and decide. */
import { decideApproval, listApprovals } from '../../application/operate/approvals.ts';
import { parseFlagName, setFlag, showFlags } from '../../application/operate/flags.ts';
import { OperatorError } from '../../application/operate/operator.ts';
import { type MarkName, setMarks } from '../../application/operate/set-marks.ts';
import { type Command, defineCommand, type OptionRow } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import type { Input } from '../input.ts';
import { renderApprovals, renderDecision } from '../render/approvals.ts';
import { renderFlagSet, renderFlags } from '../render/flags.ts';
import { renderMarks } from '../render/marks.ts';

const REASON: OptionRow = {
  flags: '--reason <why>',
  kind: 'text',
  about: 'why, for the record',
  fallback: 'no reason given',
};

export const CONTROL_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'pause',
    group: 'Control',
    about: 'let machines wait before their next step; delivery and reads go on',
    options: [REASON],
    examples: [{ command: 'pause --reason "deployment of the application"', about: 'hold machines for a while' }],
    action: async (context, input) => ({
      payload: await setMarks(await context.open(), { set: ['paused'], why: whyOf(input) }),
      exit: EXIT.done,
    }),
    render: renderMarks,
  }),
  defineCommand({
    name: 'resume',
    group: 'Control',
    about: 'take pause and halt away; with --delivery also the hold on delivery',
    options: [{ flags: '--delivery', kind: 'switch', about: 'let relays deliver again, too' }, REASON],
    examples: [
      { command: 'resume', about: 'machines go on with their next step' },
      { command: 'resume --delivery', about: 'and relays deliver again' },
    ],
    action: async (context, input) => {
      const clear: readonly MarkName[] = input.switched('delivery')
        ? ['paused', 'halted', 'deliveryHeld']
        : ['paused', 'halted'];
      return { payload: await setMarks(await context.open(), { clear, why: whyOf(input) }), exit: EXIT.done };
    },
    render: renderMarks,
  }),
  defineCommand({
    name: 'halt',
    group: 'Control',
    about: 'end running machines at their next step; with --delivery also hold delivery at once',
    details:
      'Never asks: it is the emergency stop. Writes of the application go on, captured events wait, nothing is lost.',
    options: [{ flags: '--delivery', kind: 'switch', about: 'delivery holds before its next statement' }, REASON],
    examples: [
      { command: 'halt --reason "errors on the target"', about: 'end what runs' },
      { command: 'halt --delivery --reason "target overloaded"', about: 'and leave the target alone' },
    ],
    action: async (context, input) => {
      const set: readonly MarkName[] = input.switched('delivery') ? ['halted', 'deliveryHeld'] : ['halted'];
      return { payload: await setMarks(await context.open(), { set, why: whyOf(input) }), exit: EXIT.done };
    },
    render: renderMarks,
  }),
  defineCommand({
    name: 'approvals',
    group: 'Control',
    about: 'approvals that wait for a decision',
    options: [{ flags: '--all', kind: 'switch', about: 'decided and lapsed ones, too' }],
    examples: [{ command: 'approvals', about: 'what waits for me?' }],
    action: async (context, input) => ({
      payload: await listApprovals(await context.open(), { all: input.switched('all') }),
      exit: EXIT.done,
    }),
    render: renderApprovals,
  }),
  defineCommand({
    name: 'approve',
    group: 'Control',
    about: 'decide an approval: approve it, or --reject it',
    details:
      'One decision each, and not by the person who asked (in dev that is allowed, and said). Your identity is\nthe one that AWS sees. The same decision given again is told to the machine again.\nExits 3 when the decision may not be made.',
    arguments: [{ name: '<id>', about: 'approval, as approvals and status name it' }],
    options: [
      { flags: '--reject', kind: 'switch', about: 'reject instead' },
      { flags: '--comment <text>', kind: 'text', about: 'why, for the evidence log', required: true },
    ],
    examples: [
      { command: 'approve 7f3a --comment "CHG-1234, evidence read"', about: 'approve' },
      {
        command: 'approve 7f3a --reject --comment "drift clock is too young"',
        about: 'reject; the machine takes it as a refusal',
      },
    ],
    action: async (context, input) => {
      const decision = {
        id: input.argument(0),
        approved: !input.switched('reject'),
        comment: input.text('comment') ?? '',
      };
      return { payload: await decideApproval(await context.open(), decision), exit: EXIT.done };
    },
    render: renderDecision,
  }),
  defineCommand({
    name: 'flags show',
    group: 'Control',
    about: 'who should be exposed, beside what is in effect',
    examples: [{ command: 'flags show', about: 'flags, and each tenant' }],
    action: async (context) => ({ payload: await showFlags(await context.open()), exit: EXIT.done }),
    render: renderFlags,
  }),
  defineCommand({
    name: 'flags set',
    group: 'Control',
    about: 'change a flag: publishes a new version, refused when somebody else was first',
    details:
      'Lists replace what was there; an empty text empties them. A flag is a wish: the controller carries it\nout in order, within a minute. Exits 3 when another version was published meanwhile; nothing is changed then.',
    arguments: [{ name: '<flag>', about: 'dual_write or target_reads' }],
    options: [
      { flags: '--enable', kind: 'switch', about: 'turn the flag on' },
      { flags: '--disable', kind: 'switch', about: 'turn the flag off for everybody' },
      {
        flags: '--percent <percent>',
        kind: 'percent',
        about: 'share of the tenants (dual_write) or of reads (target_reads)',
      },
      { flags: '--tenants <tenants>', kind: 'list', about: 'tenants that are always in' },
      { flags: '--except <tenants>', kind: 'list', about: 'tenants that are never in' },
      { flags: '--regions <regions>', kind: 'list', about: 'regions whose tenants are in' },
      { flags: '--services <services>', kind: 'list', about: 'services that are in' },
      { flags: '--expect-version <version>', kind: 'count', about: 'refuse when another version is deployed' },
      { flags: '--dry-run', kind: 'switch', about: 'say who would be turned on and off' },
      REASON,
    ],
    examples: [
      { command: 'flags set dual_write --enable --tenants acme,globex', about: 'wish two tenants in' },
      { command: 'flags set dual_write --percent 25 --dry-run', about: 'who would come in?' },
      { command: 'flags set target_reads --disable --reason "slow reads"', about: 'all reads back to legacy' },
    ],
    action: async (context, input) => {
      const flag = parseFlagName(input.argument(0));
      const request = {
        flag,
        change: changeOf(input),
        why: whyOf(input),
        dryRun: input.switched('dryRun'),
        expectedVersion: input.number('expectVersion'),
      };
      if (request.change.enabled === false && !request.dryRun)
        await confirm(context, `turn ${flag} off for every tenant?`);
      return { payload: await setFlag(await context.open(), request), exit: EXIT.done };
    },
    render: renderFlagSet,
  }),
  defineCommand({
    name: 'flags stop-delivery',
    group: 'Control',
    about: 'emergency stop of delivery: nothing more is written to the receiver; events wait, nothing is lost',
    details:
      'Holds relay, retries, queued repairs, copies, repairs of drift and undo before their next statement, within 5 seconds,\nalso while a deployment of the flags is in flight. Machines are not ended: that is halt.',
    options: [REASON],
    examples: [
      {
        command: 'flags stop-delivery --reason "target overloaded"',
        about: 'at once, without a new version of the flags',
      },
    ],
    action: async (context, input) => ({
      payload: await setMarks(await context.open(), { set: ['deliveryHeld'], why: whyOf(input) }),
      exit: EXIT.done,
    }),
    render: renderMarks,
  }),
  defineCommand({
    name: 'flags resume-delivery',
    group: 'Control',
    about: 'let relays deliver again',
    options: [REASON],
    examples: [{ command: 'flags resume-delivery', about: 'what waited is delivered in order' }],
    action: async (context, input) => ({
      payload: await setMarks(await context.open(), { clear: ['deliveryHeld'], why: whyOf(input) }),
      exit: EXIT.done,
    }),
    render: renderMarks,
  }),
];

function whyOf(input: Input): string {
  return input.text('reason') ?? 'no reason given';
}

function changeOf(input: Input) {
  const enable = input.switched('enable');
  const disable = input.switched('disable');
  if (enable && disable)
    throw new OperatorError('usage', '--enable and --disable exclude each other', {
      next: 'npx crossfade flags set --help',
    });
  const change = {
    enabled: enable ? true : disable ? false : undefined,
    percent: input.number('percent'),
    tenants: input.givenList('tenants'),
    except: input.givenList('except'),
    regions: input.givenList('regions'),
    services: input.givenList('services'),
  };
  if (Object.values(change).every((value) => value === undefined)) {
    throw new OperatorError(
      'usage',
      'nothing to change; give --enable, --disable, --percent, --tenants, --except, --regions or --services',
      { next: 'npx crossfade flags set --help' },
    );
  }
  return change;
}

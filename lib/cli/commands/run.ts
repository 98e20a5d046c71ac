/** Commands that start machines. */
import { commandOf } from '../../application/operate/command-of.ts';
import { messageOf, OperatorError } from '../../application/operate/operator.ts';
import { parseForwardMachine, parseWayBack, type StartRequest } from '../../application/operate/start-machine.ts';
import { compareHere, type HerePayload } from '../../application/reconcile/compare-here.ts';
import { REGION_PREFIX } from '../../contracts/machine-io.ts';
import { SCOPE_KINDS } from '../../domain/cycle-scope.ts';
import { COMPARE_MODES, DIGEST_FORMS } from '../../domain/digest.ts';
import type { Plan } from '../../plan/plan.ts';
import { parseDuration } from '../../plan/units.ts';
import { type Command, defineCommand, type OptionRow } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Answer, Context } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { FOLLOW_OPTIONS, type RunAnswer, startAndFollow } from '../follow.ts';
import { openHere } from '../here.ts';
import type { Input } from '../input.ts';
import { startProgress } from '../progress.ts';
import { renderHere } from '../render/here.ts';
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
    choices: [...COMPARE_MODES, ...DIGEST_FORMS],
  },
  { flags: '--table <table>', kind: 'list', about: 'table of the plan (repeatable; default: all)' },
  {
    flags: '--scope <scope>',
    kind: 'text',
    about: 'what is compared (default: full, unless a window, a limit or keys are given)',
    choices: SCOPE_KINDS,
  },
  { flags: '--window <duration>', kind: 'text', about: 'rows that changed so lately, such as 2h' },
  { flags: '--limit <rows>', kind: 'count', about: 'compare at most so many rows; by itself, of the window' },
  { flags: '--key <json>', kind: 'text', about: 'row keys of the one table as JSON: [42], or [[42],[43]]' },
];
const HERE: OptionRow = {
  flags: '--here',
  kind: 'switch',
  about: 'compare in this process, by the plan file; reads only, records nothing',
};
const SHOW_VALUES: OptionRow = {
  flags: '--show-values',
  kind: 'switch',
  about: 'with --here: print what differing rows hold in both stores (default: masked)',
};
/** Machines whose work is hard to take back: a person at a terminal is asked once more. */
const ASKED = ['switchover', 'decommission'];

export const RUN_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'start',
    group: 'Run',
    about: 'start a machine: baseline, dual-write, backfill, reconcile, cutover, switchover, decommission',
    details:
      'The name of a phase is taken where it names one machine. Repair, mode, table, scope, window, limit and key\nare for reconcile. Exits 0 passed, 3 refused by a gate, 4 differences found, 5 waiting for a person, 1 failed or halted.',
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
    details:
      'The same as start reconcile: a full pass, unless --scope, --window, --limit or --key says otherwise. A limit\nmakes the cycle partial: what it finds counts, that it finds nothing does not. Exits 4 when rows differ.',
    options: [TENANT, REGION, DRY_RUN, ...RECONCILE_OPTIONS, HERE, SHOW_VALUES, REASON, ...FOLLOW_OPTIONS],
    examples: [
      {
        command: 'reconcile --mode=checksum --table=orders --limit=2000 --dry-run --log-level=DEBUG',
        about: "the guide's dry run",
      },
      { command: 'reconcile --here --plan ./plan.yaml', about: 'compare from this machine; record nothing' },
      { command: 'reconcile --window 2h', about: 'what changed in the last two hours' },
      { command: "reconcile --table=orders --key='[42]'", about: 'one row' },
      { command: 'reconcile --table=orders --repair', about: 'repair what differs in one table' },
    ],
    action: (context, input): Promise<Answer<RunAnswer | HereAnswer>> => {
      const request = { ...commonOf(input), ...reconcileOf(input), machine: 'reconcile' } as const;
      const showValues = input.switched('showValues');
      if (showValues && !input.switched('here'))
        throw usage('--show-values is for --here: values never pass through what a cycle records');
      return input.switched('here')
        ? reconcileHere(context, request, showValues)
        : startAndFollow(context, input, request);
    },
    render: (payload, paint) => ('run' in payload ? renderRun(payload, paint) : renderHere(payload, paint)),
  }),
  defineCommand({
    name: 'rollback',
    group: 'Run',
    about: 'the way back from a machine; ends when the state that it promises is verified',
    details:
      'Tenants that are not in its scope are not touched. Waits for an approval where the plan asks for one. rollback\nschema takes every tenant back, lists what Crossfade made in both stores, and drops that list when it is approved.',
    arguments: [{ name: '<machine>', about: 'machine, or phase, whose work is undone; or schema' }],
    options: [
      TENANT,
      REGION,
      {
        flags: '--table <table>',
        kind: 'list',
        about: 'rollback reconcile: overwrite only this table from legacy (repeatable)',
      },
      DRY_RUN,
      REASON,
      ...FOLLOW_OPTIONS,
    ],
    examples: [
      {
        command: 'rollback reconcile --tenant acme --table orders --dry-run',
        about: 'which rows would be overwritten from legacy?',
      },
      {
        command: 'rollback cutover --tenant acme --reason "slow reads"',
        about: 'bring the reads of one tenant back to legacy',
      },
      { command: 'rollback dual-write --dry-run', about: 'say what would be erased' },
      { command: 'rollback schema --dry-run', about: 'list everything that Crossfade made in both stores' },
    ],
    action: async (context, input) => {
      const from = parseWayBack(input.argument(0));
      const tables = input.list('table');
      if (tables.length > 0 && from !== 'reconcile' && from !== 'backfill')
        throw new OperatorError('usage', '--table is for rollback reconcile: other ways back are whole', {
          next: 'npx crossfade rollback --help',
        });
      const request: StartRequest = { ...commonOf(input), machine: 'rollback', from, tables };
      if (from === 'schema' && request.scope.length > 0)
        throw new OperatorError(
          'usage',
          'the schema serves every tenant: rollback schema takes no --tenant and no --region',
          {
            next: 'npx crossfade rollback dual-write --help',
          },
        );
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

function reconcileOf(
  input: Input,
): Pick<StartRequest, 'repair' | 'mode' | 'tables' | 'limit' | 'scopeKind' | 'windowMs' | 'keys'> {
  const scopeKind = SCOPE_KINDS.find((kind) => kind === input.text('scope'));
  const keys = parseKeys(input.text('key'));
  if ((keys.length > 0 || scopeKind === 'keys') && input.list('table').length !== 1)
    throw usage('row keys are of one table; name it with --table');
  if (scopeKind === 'keys' && keys.length === 0) throw usage('--scope keys needs --key');
  if (keys.length > 0 && scopeKind !== undefined && scopeKind !== 'keys')
    throw usage(`--key names rows, which --scope ${scopeKind} does not take`);
  if (input.text('window') !== undefined && scopeKind !== undefined && scopeKind !== 'window')
    throw usage(`--window is not for --scope ${scopeKind}`);
  return {
    scopeKind,
    windowMs: parseWindow(input.text('window')),
    keys,
    repair: input.switched('repair'),
    mode: input.text('mode'),
    tables: input.list('table'),
    limit: input.number('limit'),
  };
}

function requireTables(plan: Plan, tables: readonly string[]): void {
  const unknown = tables.filter((table) => !(table in plan.tables));
  if (unknown.length > 0)
    throw usage(`the plan has no table ${unknown.join(', ')}; it has ${Object.keys(plan.tables).join(', ')}`);
}

type HereAnswer = HerePayload & { readonly next: string };

async function reconcileHere(
  context: Context,
  request: StartRequest,
  showValues: boolean,
): Promise<Answer<HereAnswer>> {
  if (request.repair === true) throw usage('--here reads only; --repair is for a cycle that is recorded');
  const { scope: tenants, mode = null, tables = [], limit = null, scopeKind, windowMs, keys } = request;
  if (tenants.some((tenant) => tenant.startsWith(REGION_PREFIX))) throw usage('--here takes tenants, not regions');
  const deps = await openHere(context, {
    what: '--here compares',
    command: 'reconcile --here',
    check: (plan) => requireTables(plan, tables),
  });
  const progress = startProgress(context.terminal);
  try {
    const wish = { tenants, mode, tables, limit, scopeKind, windowMs, keys, showValues };
    const payload = await compareHere(deps, wish, (text) => progress.say(text));
    const exits = { passed: EXIT.done, differences: EXIT.differences, refused: EXIT.refused } as const;
    // The same as a cycle that is recorded, and may repair.
    const next = `npx crossfade ${commandOf(request)} --plan ${context.options.plan}`;
    return { payload: { ...payload, next }, exit: exits[payload.outcome] };
  } catch (error) {
    // Would be taken for AWS, which is not asked here.
    throw isUnreachable(error)
      ? new OperatorError(
          'failed',
          `a store cannot be reached from this machine (${messageOf(error)}); look at its address in the plan`,
          { next: 'npx crossfade reconcile --here --help', cause: error },
        )
      : error;
  } finally {
    progress.end();
    await deps.databases.close();
  }
}

function isUnreachable(error: unknown): boolean {
  const codes = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH'];
  return (
    error instanceof Error && codes.some((code) => error.message.includes(code) || Reflect.get(error, 'code') === code)
  );
}

function parseWindow(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    const windowMs = parseDuration(text);
    if (windowMs > 0) return windowMs;
  } catch {
    // Said below, with an example.
  }
  throw usage(`--window ${text} is not a duration; write 90m, 2h or 1d`);
}

/** One key, a JSON list of its columns' values, or a list of such lists. In the form in which the stores print keys. */
function parseKeys(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const wrong = () => usage(`--key ${text} is not a row key; write it as drift show does: --key '[42]'`);
  try {
    const parsed: unknown = JSON.parse(text);
    if (!Array.isArray(parsed) || parsed.length === 0) throw wrong();
    if (!parsed.every(Array.isArray)) return [text.trim()];
    // As json_build_array prints it: a blank behind each comma.
    return parsed.map((key: unknown[]) => `[${key.map((part) => JSON.stringify(part)).join(', ')}]`);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw wrong();
  }
}

function usage(message: string): OperatorError {
  return new OperatorError('usage', message, { next: 'npx crossfade reconcile --help' });
}

function refuseReconcileOptions(input: Input): void {
  const given = (['repair', 'mode', 'table', 'scope', 'window', 'limit', 'key'] as const).filter(
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

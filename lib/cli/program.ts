/** Builds the commander program from the command table. It parses and helps; running is handed to `execute`. */
import { Command as Commander, InvalidArgumentError, Option } from 'commander';
import { COMMAND_GROUPS, type Command, type CommandGroup, type OptionRow } from './command.ts';
import { COMMANDS, GROUP_ABOUT } from './commands/all.ts';
import { type GlobalOptions, LOG_LEVELS } from './context.ts';
import { EXIT_MEANINGS } from './exit-codes.ts';
import { createInput, type Input } from './input.ts';
import { wrap } from './render/layout.ts';
import { USUAL_COLUMNS } from './terminal.ts';

export type Execute = (command: Command, input: Input, options: GlobalOptions) => Promise<void>;

export const GLOBAL_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--plan <name>',
    kind: 'text',
    about: 'name or file of the plan (default: $CROSSFADE_PLAN, or the only system that is deployed)',
  },
  { flags: '--json', kind: 'switch', about: 'print the answer as JSON, unchanged' },
  { flags: '--yes', kind: 'switch', about: 'answer questions with yes' },
  {
    flags: '--log-level <level>',
    kind: 'text',
    about: 'how much is told on stderr',
    choices: LOG_LEVELS,
    fallback: 'INFO',
  },
];

export function buildProgram(execute: Execute, version = '0.1.0'): Commander {
  const program = new Commander('crossfade')
    .description(
      'Carries a migration from one PostgreSQL to another through its gated phases, and says where it stands.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', programEpilogue());
  for (const row of GLOBAL_OPTIONS) program.addOption(toOption(row));
  const parents = new Map<string, Commander>();
  for (const group of COMMAND_GROUPS) {
    for (const command of COMMANDS.filter((each) => each.group === group))
      addCommand(program, parents, command, execute);
  }
  return program;
}

function addCommand(program: Commander, parents: Map<string, Commander>, command: Command, execute: Execute): void {
  const [first = '', second] = command.name.split(' ');
  const parent = second === undefined ? program : parentOf(program, parents, first, command.group);
  const own: Commander = parent
    .command(second ?? first)
    .description(command.about)
    .helpGroup(`${second === undefined ? command.group : 'Commands'}:`)
    .addHelpText('after', () => epilogue(command, helpWidthOf(own)));
  for (const { name, about } of command.arguments ?? []) own.argument(name, about);
  for (const row of command.options ?? []) own.addOption(toOption(row));
  own.action(async () => {
    const { plan, json, yes, logLevel, ...options } = own.optsWithGlobals();
    await execute(command, createInput(own.args, options), { plan, json: json === true, yes: yes === true, logLevel });
  });
}

function parentOf(program: Commander, parents: Map<string, Commander>, name: string, group: CommandGroup): Commander {
  const known = parents.get(name);
  if (known !== undefined) return known;
  const parent = program
    .command(name)
    .description(GROUP_ABOUT[name] ?? '')
    .helpGroup(`${group}:`);
  parents.set(name, parent);
  return parent;
}

function toOption({ flags, about, kind, choices, required, fallback }: OptionRow): Option {
  const option = new Option(flags, about);
  if (kind === 'list') option.argParser(collect);
  if (kind === 'count') option.argParser(parseCount);
  if (kind === 'percent') option.argParser(parsePercent);
  if (choices !== undefined) option.choices([...choices]);
  if (fallback !== undefined) option.default(fallback);
  if (required === true) option.makeOptionMandatory();
  return option;
}

/** Repeated or with commas: `--tenant a --tenant b` is `--tenant a,b`; an empty text empties the list. */
function collect(text: string, before: unknown): readonly string[] {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  return [...(Array.isArray(before) ? before : []), ...items];
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('Expected a whole number above 0.');
  return Number(text);
}

function parsePercent(text: string): number {
  const value = Number(text);
  if (!/^\d{1,3}(\.\d+)?$/.test(text) || value > 100)
    throw new InvalidArgumentError('Expected a number from 0 to 100.');
  return value;
}

/** Of the screen, as main.ts tells commander; 80 where there is none. */
function helpWidthOf(command: Commander): number {
  return command.configureOutput().getOutHelpWidth?.() ?? USUAL_COLUMNS;
}

/** The command line stays whole, because it is there to be copied; what it is for stands beside it where there is room. */
function epilogue({ details, examples }: Command, room: number): string {
  const width = Math.max(...examples.map(({ command }) => command.length));
  const isBeside = examples.every(({ about }) => '  crossfade '.length + width + 2 + about.length <= room);
  const lines = examples.map(({ command, about }) =>
    isBeside ? `  crossfade ${command.padEnd(width)}  ${about}` : `  crossfade ${command}\n      ${about}`,
  );
  const said = details === undefined ? '' : `\n${wrap(details.replaceAll('\n', ' '), room)}\n`;
  return `${said}\nExamples:\n${lines.join('\n')}`;
}

function programEpilogue(): string {
  const codes = Object.entries(EXIT_MEANINGS).map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`);
  return `\nExit codes:\n${codes.join('\n')}\n\nStart here: crossfade status`;
}

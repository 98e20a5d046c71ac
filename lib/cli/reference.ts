/** The command tree as data and as Markdown, for docs/cli-definition.json and docs/cli.md: a change of the CLI shows in review. */
import type { Command as Commander, Option } from 'commander';
import { COMMANDS } from './commands/all.ts';
import { GLOBAL_OPTIONS } from './program.ts';

export interface CliDefinition {
  readonly name: string;
  readonly options: readonly OptionDefinition[];
  readonly commands: readonly CommandDefinition[];
}

export interface OptionDefinition {
  readonly flags: string;
  readonly about: string;
  readonly choices?: readonly string[];
  readonly default?: unknown;
  readonly required?: true;
}

export interface CommandDefinition {
  /** `flags set`. */
  readonly name: string;
  readonly about: string;
  readonly arguments: readonly { readonly name: string; readonly about: string; readonly required: boolean }[];
  readonly options: readonly OptionDefinition[];
  readonly examples: readonly string[];
}

/** Read off the commander program, not off the table: what is documented is what parses. */
export function describeProgram(program: Commander): CliDefinition {
  return {
    name: program.name(),
    options: program.options.map(describeOption),
    commands: program.commands.flatMap((command) => describeCommand(command, '')),
  };
}

function describeCommand(command: Commander, prefix: string): readonly CommandDefinition[] {
  const name = `${prefix}${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((child) => describeCommand(child, `${name} `));
  return [
    {
      name,
      about: command.description(),
      arguments: command.registeredArguments.map((argument) => ({
        name: argument.name(),
        about: argument.description,
        required: argument.required,
      })),
      options: command.options.map(describeOption),
      examples: (COMMANDS.find((each) => each.name === name)?.examples ?? []).map(
        (example) => `crossfade ${example.command}`,
      ),
    },
  ];
}

function describeOption(option: Option): OptionDefinition {
  return {
    flags: option.flags,
    about: option.description,
    ...(option.argChoices === undefined ? {} : { choices: option.argChoices }),
    ...(option.defaultValue === undefined ? {} : { default: option.defaultValue }),
    ...(option.mandatory ? { required: true as const } : {}),
  };
}

const LINE_WIDTH = 120;

/** As Biome formats JSON: lists of text on one line where they fit. */
export function renderDefinition(definition: CliDefinition): string {
  const spread = `${JSON.stringify(definition, null, 2)}\n`;
  return spread.replace(
    /^( *(?:"[^"\n]+": )?)\[\n((?: *"(?:[^"\\\n]|\\.)*",?\n)+) *\](,?)$/gm,
    (whole, start, items, end) => {
      const joined = `${start}[${String(items).trim().split(/\n */).join(' ')}]${end}`;
      return joined.length <= LINE_WIDTH ? joined : whole;
    },
  );
}

const BEGIN = '<!-- reference: generated from the command table; npm test -- test/cli -u writes it -->';
const END = '<!-- end of reference -->';

/** @returns `document` with its reference renewed. @throws {RangeError} when the marks are gone. */
export function renewReference(document: string, definition: CliDefinition): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new RangeError(`docs/cli.md has lost its marks; expected ${BEGIN} and ${END}`);
  return `${document.slice(0, begin)}${BEGIN}\n\n${renderReference(definition)}\n${document.slice(end)}`;
}

function renderReference({ options, commands }: CliDefinition): string {
  const everywhere = options.filter(({ flags }) => GLOBAL_OPTIONS.some((row) => row.flags === flags));
  return ['Every command takes:', '', optionTable(everywhere), '', ...commands.map(renderCommand)].join('\n');
}

function renderCommand(command: CommandDefinition): string {
  const details = COMMANDS.find(({ name }) => name === command.name)?.details?.replaceAll('\n', ' ');
  const signature = [
    command.name,
    ...command.arguments.map(({ name, required }) => (required ? `<${name}>` : `[${name}]`)),
  ].join(' ');
  return [
    `### crossfade ${command.name}`,
    '',
    `\`crossfade ${signature}\`: ${command.about}.`,
    '',
    ...(details === undefined ? [] : [details, '']),
    ...(command.arguments.length === 0
      ? []
      : [...command.arguments.map(({ name, about }) => `- \`${name}\`: ${about}`), '']),
    ...(command.options.length === 0 ? [] : [optionTable(command.options), '']),
    '```sh',
    ...command.examples,
    '```',
    '',
  ].join('\n');
}

function optionTable(options: readonly OptionDefinition[]): string {
  const rows = options.map(({ flags, about, choices, default: fallback, required }) => {
    const extras = [
      ...(required === true ? ['required'] : []),
      ...(choices === undefined ? [] : [`one of ${choices.join(', ')}`]),
      ...(fallback === undefined ? [] : [`default ${String(fallback)}`]),
    ];
    return `| \`${flags}\` | ${about}${extras.length === 0 ? '' : ` (${extras.join('; ')})`} |`;
  });
  return ['| option | |', '|---|---|', ...rows].join('\n');
}

/** `crossfade`: arguments in, exit code out. parse -> action -> payload -> render. */
import { CommanderError } from 'commander';
import type { Clock } from '../ports/clock.ts';
import type { Command, Printed } from './command.ts';
import { COMMANDS } from './commands/all.ts';
import type { Connection, Context, GlobalOptions } from './context.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { explainError } from './explain-error.ts';
import type { Input } from './input.ts';
import { buildProgram } from './program.ts';
import { type Terminal, USUAL_COLUMNS } from './terminal.ts';

export interface World {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => Promise<string>;
  readonly writeFile: (path: string, text: string) => Promise<void>;
  readonly interrupted: () => AbortSignal;
  readonly connect: (options: GlobalOptions) => Promise<Connection>;
}

export async function main(args: readonly string[], world: World): Promise<ExitCode> {
  const { terminal, environment } = world;
  let exit: ExitCode = EXIT.done;
  const program = buildProgram(async (command, input, options) => {
    exit = await execute(world, command, input, options);
  });
  const write = (text: string) => text.replace(/\n$/, '');
  for (const each of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    each.exitOverride().configureOutput({
      writeOut: (text) => terminal.out(write(text)),
      // Commander's own line and ours would say it twice.
      outputError: () => undefined,
      writeErr: (text) => terminal.err(write(text)),
      getOutHelpWidth: () => terminal.paint.columns ?? USUAL_COLUMNS,
      getErrHelpWidth: () => terminal.paint.columns ?? USUAL_COLUMNS,
    });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    // `crossfade` and `crossfade drift` alone: commander has shown the help on stderr.
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage;
    const usage = error instanceof CommanderError ? helpFor(args) : undefined;
    return fail(error, { terminal, environment, json: args.includes('--json'), debug: wantsDebug(args), usage });
  }
}

async function execute(world: World, command: Command, input: Input, options: GlobalOptions): Promise<ExitCode> {
  const { terminal, environment } = world;
  let connection: Promise<Connection> | undefined;
  const connect = () => {
    connection ??= world.connect(options);
    return connection;
  };
  const context: Context = {
    terminal,
    clock: world.clock,
    options,
    readFile: world.readFile,
    writeFile: world.writeFile,
    interrupted: world.interrupted,
    connect,
    open: async () => (await connect()).open(),
  };
  try {
    const printed = await command.run(context, input);
    print(terminal, printed, options);
    return printed.exit;
  } catch (error) {
    return fail(error, { terminal, environment, json: options.json, debug: options.logLevel === 'DEBUG' });
  }
}

function print(terminal: Terminal, { payload, bare, text }: Printed, { json }: GlobalOptions): void {
  if (json) {
    terminal.out(JSON.stringify(payload));
    return;
  }
  terminal.out(text(terminal.paint));
  if (!bare) terminal.out(`\n${terminal.paint.dim('next:')} ${terminal.paint.bold(payload.next)}`);
}

interface FailureOutput {
  readonly terminal: Terminal;
  readonly environment: World['environment'];
  readonly json: boolean;
  readonly debug: boolean;
  /** Next command where the error has none of its own. */
  readonly usage?: string | undefined;
}

function fail(error: unknown, { terminal, environment, json, debug, usage }: FailureOutput): ExitCode {
  const explained = explainError(error, environment);
  const { exit, message } = explained;
  const next = usage ?? explained.next;
  if (json) terminal.out(JSON.stringify({ error: { message, exit }, next }));
  terminal.err(`${terminal.paint.red('crossfade:')} ${message}`);
  terminal.err(`next: ${next}`);
  if (debug && error instanceof Error && error.stack !== undefined) terminal.err(error.stack);
  return exit;
}

function wantsDebug(args: readonly string[]): boolean {
  return args.includes('--log-level=DEBUG') || args[args.indexOf('--log-level') + 1] === 'DEBUG';
}

/** Help of the command that was meant. */
const VALUED: ReadonlySet<string> = new Set(['--plan', '--log-level']);

function helpFor(args: readonly string[]): string {
  // The value of an option before the command is no word of it: --plan FILE reconcile.
  const words = args.filter((arg, index) => !arg.startsWith('-') && !VALUED.has(args[index - 1] ?? ''));
  const named = [2, 1].map((length) => words.slice(0, length).join(' '));
  const meant = named.find((name) =>
    COMMANDS.some((command) => command.name === name || command.name.startsWith(`${name} `)),
  );
  return meant === undefined ? 'npx crossfade --help' : `npx crossfade ${meant} --help`;
}

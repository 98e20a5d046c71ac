/** The commands as data: parser, help, docs and types derive from a row (style: the command table is data). */
import type { Answer, Context, Render, WithNext } from './context.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Input } from './input.ts';
import type { Paint } from './terminal.ts';

export const OPTION_KINDS = ['text', 'list', 'count', 'percent', 'switch'] as const;
export type OptionKind = (typeof OPTION_KINDS)[number];

export interface OptionRow {
  /** As commander writes it: `--tenant <tenant>`. */
  readonly flags: string;
  readonly about: string;
  readonly kind: OptionKind;
  readonly choices?: readonly string[] | undefined;
  readonly required?: boolean | undefined;
  readonly fallback?: string | number | undefined;
}

export interface ArgumentRow {
  /** `<file>` or `[id]`. */
  readonly name: string;
  readonly about: string;
}

export interface Example {
  readonly command: string;
  readonly about: string;
}

export const COMMAND_GROUPS = ['Plan', 'Run', 'Watch', 'Control', 'Data'] as const;
export type CommandGroup = (typeof COMMAND_GROUPS)[number];

interface CommandFacts {
  /** `status`, or `plan check` for a command of a group. */
  readonly name: string;
  readonly group: CommandGroup;
  readonly about: string;
  /** Further help: what it changes, what it does not, what the exit code says. */
  readonly details?: string | undefined;
  readonly arguments?: readonly ArgumentRow[] | undefined;
  readonly options?: readonly OptionRow[] | undefined;
  readonly examples: readonly Example[];
}

export interface CommandRow<Payload extends WithNext> extends CommandFacts {
  readonly action: (context: Context, input: Input) => Promise<Answer<Payload>>;
  readonly render: Render<Payload>;
}

/** A finished answer: whatever the payload was, it can be printed. */
export interface Printed {
  readonly exit: ExitCode;
  readonly payload: WithNext;
  readonly bare: boolean;
  text(paint: Paint): string;
}

export interface Command extends CommandFacts {
  readonly run: (context: Context, input: Input) => Promise<Printed>;
}

/** Ties action and rendering of one payload type together, and forgets the type. */
export function defineCommand<Payload extends WithNext>({ action, render, ...facts }: CommandRow<Payload>): Command {
  return {
    ...facts,
    run: async (context, input) => {
      const { payload, exit, bare = false } = await action(context, input);
      return { payload, exit, bare, text: (paint) => render(payload, paint) };
    },
  };
}

/** What an action of the CLI may use. Tests give one over memory adapters; bin/cli.ts one over AWS (connect.ts). */
import type { Operator } from '../application/operate/operator.ts';
import type { Clock } from '../ports/clock.ts';
import type { Identity } from '../ports/identity.ts';
import type { DeployedSystem, Systems } from '../ports/system.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Paint, Terminal } from './terminal.ts';

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Options that every command takes. */
export interface GlobalOptions {
  readonly plan?: string | undefined;
  readonly json: boolean;
  readonly yes: boolean;
  readonly logLevel: LogLevel;
}

/** Found, but perhaps not whole: what `doctor` looks at first. */
export interface Connection {
  readonly plan: string;
  readonly identity: Identity;
  readonly systems: Systems;
  readonly system: DeployedSystem | undefined;
  readonly command: (text: string) => string;
  /** @throws {OperatorError} when the deployment lacks something. */
  readonly open: () => Promise<Operator>;
}

export interface Context {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly options: GlobalOptions;
  /** Aborts on Ctrl-C while something is followed. */
  readonly interrupted: () => AbortSignal;
  readonly readFile: (path: string) => Promise<string>;
  readonly writeFile: (path: string, text: string) => Promise<void>;
  readonly connect: () => Promise<Connection>;
  /** @throws {OperatorError} usage, when nothing of that plan is deployed. */
  readonly open: () => Promise<Operator>;
}

/** What an action returns: the payload, printed unchanged with --json, and the exit code. */
export interface Answer<Payload> {
  readonly payload: Payload;
  readonly exit: ExitCode;
  /** The answer is a file for another program: no next command is printed under it. */
  readonly bare?: boolean | undefined;
}

/** Every payload carries the command to run next. */
export interface WithNext {
  readonly next: string;
}

export type Render<Payload> = (payload: Payload, paint: Paint) => string;

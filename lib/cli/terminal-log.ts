/** Log lines of adapters for somebody at a terminal: on stderr, from the level that was asked for. */
import type { Log } from '../ports/logger.ts';
import { LOG_LEVELS, type LogLevel } from './context.ts';
import type { Terminal } from './terminal.ts';

export function createTerminalLog(terminal: Pick<Terminal, 'err'>, level: LogLevel): Log {
  const at =
    (own: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (LOG_LEVELS.indexOf(own) < LOG_LEVELS.indexOf(level)) return;
      const details = Object.entries(fields).map(
        ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
      terminal.err([own.toLowerCase(), message, ...details].join(' '));
    };
  return { debug: at('DEBUG'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') };
}

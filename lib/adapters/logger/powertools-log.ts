/** Structured lines by Powertools. What looks like a credential never gets out, whoever passed it (invariant 9). */
import { Logger } from '@aws-lambda-powertools/logger';
import type { Log } from '../../ports/logger.ts';

export interface PowertoolsLog extends Log {
  /** Fields on every line of the invocation; replaces those of the invocation before. */
  setContext(fields: Readonly<Record<string, unknown>>): void;
}

const CREDENTIALS = /token|secret|password|authorization|connectionString/i;
/** Names that hold the word and no credential. */
const HARMLESS = /Arn$/;

export function createPowertoolsLog(serviceName: string, logger = new Logger({ serviceName })): PowertoolsLog {
  return {
    debug: (message, fields = {}) => logger.debug(message, withoutCredentials(fields)),
    info: (message, fields = {}) => logger.info(message, withoutCredentials(fields)),
    warn: (message, fields = {}) => logger.warn(message, withoutCredentials(fields)),
    error: (message, fields = {}) => logger.error(message, withoutCredentials(fields)),
    setContext: (fields) => {
      logger.resetKeys();
      logger.appendKeys(withoutCredentials(fields));
    },
  };
}

function withoutCredentials(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      CREDENTIALS.test(name) && !HARMLESS.test(name) ? '(withheld)' : value,
    ]),
  );
}

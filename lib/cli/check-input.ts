/** What is wrong by its form alone is refused here, before AWS or a store is asked for anything. */
import { OperatorError } from '../application/operate/operator.ts';
import type { DocumentStore } from '../ports/documents.ts';

const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d{1,3})?)?)?)?Z?$/;

/**
 * The start of a cycle or how it begins, as any answer writes it: `2026-01-05T12:00:00.000Z`, `2026-01-05 12:00:00Z`, `2026-01-05T12`.
 * @returns how the start begins in the record. @throws {OperatorError} usage
 */
export function parseCycleStart(text: string, command: string): string {
  const day = MOMENT.exec(text)?.[1];
  if (day === undefined || Number.isNaN(Date.parse(day)))
    throw usage(
      `--cycle ${text} is not the start of a cycle; write 2026-01-05T12:00, or as much of it as names one`,
      command,
    );
  return text.replace(' ', 'T').replace(/(?<!\.\d{3})Z$/, '');
}

/** @returns the one cycle on record that begins so. @throws {OperatorError} usage */
export async function findCycle(documents: DocumentStore, begins: string, command: string): Promise<string> {
  const found = (await documents.list('cycle', { from: begins, to: `${begins}\uFFFF` })).map(({ id }) => id);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const named = found.length > 3 ? `${found.slice(0, 3).join(', ')} and others` : found.join(', ');
  throw usage(
    only === undefined ? `no cycle on record begins at ${begins}` : `${begins} begins several cycles: ${named}`,
    only === undefined ? 'drift status' : command,
  );
}

/** @throws {OperatorError} usage */
export function parseRepairId(text: string): string {
  if (/^[\w-]{1,64}$/.test(text)) return text;
  throw usage(`${text} is not the id of a repair`, 'repair list --all');
}

/** A row key as drift show writes it, or the bare value of a key of one column. @throws {OperatorError} usage */
export function checkRowKey(text: string, command: string): string {
  if (text.startsWith('[') && !isList(text))
    throw usage(`${text} is not a row key; write it as drift show does, in quotes: '[42]'`, command);
  return text;
}

function isList(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.length > 0;
  } catch {
    return false;
  }
}

function usage(message: string, command: string): OperatorError {
  return new OperatorError('usage', message, { next: `npx crossfade ${command}` });
}

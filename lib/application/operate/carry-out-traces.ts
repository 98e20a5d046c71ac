/** The relay's side of `crossfade trace`. One query of the control table when nobody asks. */
import type { TraceQuery } from '../../contracts/trace.ts';
import { DIRECTIONS } from '../../domain/direction.ts';
import type { Migration } from '../migration.ts';
import { traceWrite } from '../trace/trace-write.ts';
import { messageOf } from './operator.ts';
import { TRACE_PREFIX } from './trace.ts';

/** Behind every id that begins with the prefix: `0` follows `/`. */
const BEHIND_PREFIX = 'trace0';
const AT_ONCE = 10;
/** Whoever asked has given up, and was not there to remove the question. */
const FORGOTTEN_AFTER_MS = 60 * 60_000;

export async function carryOutTraces(migration: Migration): Promise<void> {
  const { documents, clock, log, newId } = migration.deps;
  const questions = await documents.list('progress', { from: TRACE_PREFIX, to: BEHIND_PREFIX, limit: AT_ONCE });
  for (const { id, value, version } of questions) {
    const now = clock.now();
    if (now.getTime() - Date.parse(value.at) > FORGOTTEN_AFTER_MS) {
      await documents.remove('progress', id);
      continue;
    }
    if (value.state.answer !== null) continue;
    const query = parseQuery(value.state.query);
    let answer: unknown;
    try {
      answer =
        query === undefined
          ? { failed: 'the question is not understood' }
          : await traceWrite(migration, query, newId());
    } catch (error) {
      answer = { failed: messageOf(error) };
    }
    // Gone or answered by another relay in the meantime: nothing is left to do.
    await documents
      .put('progress', id, { ...value, state: { ...value.state, answer } }, version)
      .catch((error: unknown) => log.debug('a trace was not wanted any more', { id, reason: messageOf(error) }));
    log.info('a write was traced', { query, requestedBy: value.state.requestedBy });
  }
}

/** It comes from the control table, which people can write to. */
function parseQuery(value: unknown): TraceQuery | undefined {
  const query = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof query[name] === 'string' ? query[name] : '');
  switch (query.by) {
    case 'correlation':
      return { by: 'correlation', id: text('id') };
    case 'row':
      return { by: 'row', table: text('table'), rowKey: text('rowKey') };
    case 'idempotency':
      return { by: 'idempotency', key: text('key') };
    case 'seq': {
      const direction = DIRECTIONS.find((known) => known === query.direction);
      return direction === undefined || !/^\d{1,19}$/.test(text('seq'))
        ? undefined
        : { by: 'seq', direction, seq: text('seq') };
    }
    default:
      return undefined;
  }
}

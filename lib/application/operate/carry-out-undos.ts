/** The relay's side of `crossfade undo`. One query of the control table when nobody asks. */
import type { UndoAnswer, UndoQuery } from '../../contracts/undo.ts';
import type { Migration } from '../migration.ts';
import { describeHold, readHold } from '../relay/delivery-hold.ts';
import { directionInForce } from '../switch/authority.ts';
import { undoWrites } from '../tenants/undo-writes.ts';
import { messageOf } from './operator.ts';
import { UNDO_PREFIX } from './undo.ts';

/** Behind every id that begins with the prefix: `0` follows `/`. */
const BEHIND_PREFIX = 'undo0';
const AT_ONCE = 5;
/** Whoever asked has given up, and was not there to take the request back: it is dropped, not carried out late. */
const FORGOTTEN_AFTER_MS = 5 * 60_000;

export async function carryOutUndos(migration: Migration): Promise<void> {
  const { documents, clock, log, newId } = migration.deps;
  const requests = await documents.list('progress', { from: UNDO_PREFIX, to: BEHIND_PREFIX, limit: AT_ONCE });
  for (const { id, value, version } of requests) {
    if (clock.now().getTime() - Date.parse(value.at) > FORGOTTEN_AFTER_MS) {
      await documents.remove('progress', id);
      continue;
    }
    if (value.state.answer !== null) continue;
    const query = parseQuery(value.state.query);
    const answer = await carryOut(migration, query, `undo-${newId().slice(0, 8)}`).catch((error: unknown) => ({
      failed: messageOf(error),
    }));
    await documents
      .put('progress', id, { ...value, state: { ...value.state, answer } }, version)
      .catch((error: unknown) => log.debug('an undo was not waited for any more', { id, reason: messageOf(error) }));
    log.info('writes were undone', { query, requestedBy: value.state.requestedBy, why: value.state.why });
  }
}

async function carryOut(
  migration: Migration,
  query: UndoQuery | undefined,
  batch: string,
): Promise<UndoAnswer | { readonly failed: string }> {
  if (query === undefined) return { failed: 'the request is not understood' };
  if ((await directionInForce(migration.deps)) === 'reverse')
    return { failed: 'the target is authoritative: what it holds is the truth and is not undone' };
  const hold = await readHold(migration.deps);
  if (!query.dryRun && hold !== null) return { failed: describeHold(hold) };
  return undoWrites(migration, query, batch);
}

/** It comes from the control table, which people can write to. */
function parseQuery(value: unknown): UndoQuery | undefined {
  const { correlationId, dryRun } = (typeof value === 'object' && value !== null ? value : {}) as Partial<UndoQuery>;
  return typeof correlationId === 'string' && typeof dryRun === 'boolean' ? { correlationId, dryRun } : undefined;
}

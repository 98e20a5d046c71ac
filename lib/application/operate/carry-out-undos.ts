/** The relay's side of `crossfade undo`. One query of the control table when nobody asks. */
import type { UndoQuery } from '../../contracts/undo.ts';
import type { Migration } from '../migration.ts';
import { noteDecision } from '../note-decision.ts';
import { describeHold, readHold } from '../relay/delivery-hold.ts';
import { undoRepair } from '../repair/undo-repair.ts';
import { directionInForce } from '../switch/authority.ts';
import { undoWrites } from '../tenants/undo-writes.ts';
import { messageOf } from './operator.ts';
import { UNDO_PREFIX, type UndoState } from './undo.ts';

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
    const asked = { by: String(value.state.requestedBy), why: String(value.state.why) };
    const answer = await carryOut(migration, query, `undo-${newId().slice(0, 8)}`, asked).catch((error: unknown) => ({
      failed: messageOf(error),
    }));
    await documents
      .put('progress', id, { ...value, state: { ...value.state, answer } }, version)
      .catch((error: unknown) => log.debug('an undo was not waited for any more', { id, reason: messageOf(error) }));
    log.info('an undo was answered', { query, requestedBy: value.state.requestedBy, why: value.state.why });
    if ('rows' in answer && query?.dryRun === false) {
      const undone = answer.rows.filter(({ outcome }) => outcome !== 'left').length;
      const { requestedBy, why } = value.state;
      // The request is removed by whoever asked; who undid what, and why, stays on record.
      const text = `undo of ${query.correlationId}, ${undone} rows: ${String(why)}`;
      await noteDecision(migration.deps, 'undo', text, String(requestedBy));
    }
  }
}

async function carryOut(
  migration: Migration,
  query: UndoQuery | undefined,
  batch: string,
  asked: { readonly by: string; readonly why: string },
): Promise<NonNullable<UndoState['answer']>> {
  if (query === undefined) return { failed: 'the request is not understood' };
  if ((await directionInForce(migration.deps)) === 'reverse')
    return { refused: 'the target is authoritative: what it holds is the truth and is not undone' };
  const hold = await readHold(migration.deps);
  if (!query.dryRun && hold !== null) return { refused: describeHold(hold) };
  if (query.repair !== undefined)
    return undoRepair(migration, { repair: query.repair, dryRun: query.dryRun, ...asked });
  return undoWrites(migration, query, batch);
}

/** It comes from the control table, which people can write to. */
function parseQuery(value: unknown): UndoQuery | undefined {
  const asked = (typeof value === 'object' && value !== null ? value : {}) as Partial<UndoQuery>;
  const { correlationId, dryRun, repair } = asked;
  if (typeof correlationId !== 'string' || typeof dryRun !== 'boolean') return undefined;
  return typeof repair === 'string' ? { correlationId, dryRun, repair } : { correlationId, dryRun };
}

/**
 * Keeps an index in the order of the walk on every table with a text key, in both stores: pages of the backfill and chunks of the
 * comparison go by it. Without one all is right and slow, so a build that cannot be had holds nothing up; it is said instead.
 */
import { STORES, type StoreName } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import { createKeyIndex, createParentKeyIndex, dropKeyIndex, dropParentKeyIndex } from '../../sql/install/key-index.ts';
import type { Migration } from '../migration.ts';
import {
  describeKeyIndex,
  isKeyIndexMissing,
  KEY_INDEXES,
  type KeyIndexState,
  readKeyIndex,
  readKeyIndexes,
  rememberKeyIndexes,
} from './look-at-key-indexes.ts';
import { withLock } from './with-lock.ts';

export interface KeyIndexes {
  readonly built: readonly string[];
  /** Why some table is without one. */
  readonly left: readonly string[];
  /** False: the time was up, or somebody else's build goes on. */
  readonly done: boolean;
}

const WAIT_MS = 1_000;

/**
 * Looks before each build: one that was cut off may go on in the server, or have left an invalid index that is made anew.
 * @param givenUp `left` of an earlier call of the same install: tried once, not for ever.
 */
export async function buildKeyIndexes(
  migration: Migration,
  until: Date,
  givenUp: readonly string[] = [],
): Promise<KeyIndexes> {
  const { deps } = migration;
  const built: string[] = [];
  const left = [...givenUp];
  for (const found of await readKeyIndexes(migration)) {
    if (givenUp.some((line) => line.startsWith(`${describeKeyIndex(found)}: `))) continue;
    for (let attempt = 1; ; attempt++) {
      const state = await readKeyIndex(migration, found);
      if (state === undefined || !isKeyIndexMissing(state)) break;
      if (deps.clock.now() >= until) return { built, left, done: false };
      if (state.building) {
        await deps.clock.sleep(WAIT_MS);
        continue;
      }
      try {
        await build(migration, state);
        built.push(describeKeyIndex(state));
        break;
      } catch (error) {
        if (!(error instanceof SqlError) || error.kind === 'unavailable') throw error;
        const mayPass = error.kind === 'transient' && attempt < deps.plan.capture.lockRetries;
        if (mayPass && deps.clock.now() < until) {
          deps.log.info('an index of the key cannot be built yet', {
            index: describeKeyIndex(state),
            reason: error.message,
          });
          await deps.clock.sleep(WAIT_MS);
          continue;
        }
        // What is half built costs every write, and helps no read.
        const isGone = await drop(migration, await readKeyIndex(migration, state)).then(
          () => true,
          () => false,
        );
        left.push(
          `${describeKeyIndex(state)}: ${error.message}${isGone ? '' : '; an invalid index is left, which the next install makes anew'}`,
        );
        break;
      }
    }
  }
  await rememberKeyIndexes(
    migration,
    (await readKeyIndexes(migration)).filter(isKeyIndexMissing).map(describeKeyIndex),
  );
  return { built, left, done: true };
}

/** Part of "without a trace": the way back, and the end of the migration. */
export async function dropKeyIndexes(
  migration: Migration,
  stores: readonly StoreName[] = STORES,
): Promise<readonly string[]> {
  const dropped: string[] = [];
  // Parents first: theirs go with them.
  for (const found of (await readKeyIndexes(migration, stores)).toReversed()) {
    const state = await readKeyIndex(migration, found);
    if (state?.own == null) continue;
    await drop(migration, state);
    dropped.push(describeKeyIndex(state));
  }
  await migration.deps.documents.remove('progress', KEY_INDEXES);
  return dropped;
}

async function build(migration: Migration, state: KeyIndexState): Promise<void> {
  const { deps } = migration;
  const session = deps.databases.open(state.store, 'install');
  if (state.own !== null) await drop(migration, state);
  if (!state.partitioned) await session.query(createKeyIndex(state.table, state));
  else
    await withLock(deps, session, deps.plan.capture, `index of ${describeKeyIndex(state)}`, [
      createParentKeyIndex(state.table, state),
    ]);
}

async function drop(migration: Migration, state: KeyIndexState | undefined): Promise<void> {
  if (state === undefined || state.own === null) return;
  const { deps } = migration;
  const session = deps.databases.open(state.store, 'install');
  if (!state.partitioned) {
    for (let attempt = 1; ; attempt++) {
      try {
        await session.query(dropKeyIndex(state, state.own));
        return;
      } catch (error) {
        const passes = error instanceof SqlError && error.kind === 'transient';
        if (!passes || attempt >= deps.plan.capture.lockRetries) throw error;
        await deps.clock.sleep(WAIT_MS);
      }
    }
  }
  await withLock(deps, session, deps.plan.capture, `index of ${describeKeyIndex(state)}`, [
    dropParentKeyIndex(state, state.own),
  ]);
}

/** Installs Crossfade's schema, capture on legacy and the fence on the target; a dry run does it in transactions that are rolled back. */

import { counted } from '../../../domain/counted.ts';
import { STORES } from '../../../domain/direction.ts';
import { judgeGate } from '../../../domain/gate.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import type { SqlStore } from '../../../ports/sql.ts';
import { fenceTable } from '../../../sql/fence/fence-table.ts';
import { captureFunctions, captureTriggers } from '../../../sql/install/capture.ts';
import { protocolGrants } from '../../../sql/install/grants.ts';
import { protocolSchema } from '../../../sql/install/schema.ts';
import { setLockTimeout } from '../../../sql/install/set-lock-timeout.ts';
import type { Statement } from '../../../sql/statement.ts';
import {
  appliers,
  fenceStore,
  installCapture,
  installSchemas,
  relationsOf,
  rolesOfApplications,
  storeRoles,
  uncapturedTables,
} from '../../install/install.ts';
import { buildKeyIndexes } from '../../install/key-index.ts';
import { missingKeyIndexes } from '../../install/look-at-key-indexes.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { IMAGE_START, type ImageProgress, keepImages } from '../../tenants/keep-before-images.ts';
import { readRemoval } from '../rollback/schema-removal.ts';
import { again, judged, refuse, type Step } from '../step.ts';

/** Milliseconds that one call copies before it answers again. */
const WORK_MS = 30_000;
/** How often a build that goes on in the server is looked at. */
const KEY_INDEX_SECONDS = 10;

export const install: Step = async (deps, run, data) => {
  const shared = (
    await Promise.all(STORES.map(async (store) => rolesOfApplications(deps, await storeRoles(deps, store))))
  ).flat();
  const gate = judgeGate(
    {
      gate: 'own-roles',
      value: shared.length,
      threshold: 0,
      comparison: 'equals',
      unit: 'roles',
      source: 'session_user of each purpose against applicationRoles of the plan',
      measuredAt: deps.clock.now(),
      details: [
        `applications use ${shared.join(', ')}; their writes would pass the fence: give Crossfade roles of its own`,
      ],
    },
    deps.clock.now(),
  );
  if (!gate.pass) return judged([gate]);
  if ((await readRemoval(deps))?.begun === true)
    return refuse(['the schema is being rolled back and is gone from one store; run: npx crossfade rollback schema'], {
      gates: [gate],
    });
  const migration = await loadMigration(deps);
  if (run.dryRun) {
    await rehearse(migration);
    const missing = await missingKeyIndexes(migration);
    return judged([gate], {
      notes: [
        `would install capture on ${counted(migration.tables.length, 'table')} of legacy and the fence on the target`,
        ...(missing.length === 0 ? [] : [`would build an index of the key for ${missing.join(', ')}`]),
      ],
    });
  }
  await installSchemas(deps);
  const fenced = await fenceStore(migration, 'target');
  const until = new Date(deps.clock.now().getTime() + WORK_MS);
  const images = await keepImages(migration, await untouchedTables(migration), imageProgress(data), until);
  if (!images.done)
    return again(0, {
      data: images.progress,
      notes: [`kept ${counted(images.progress.kept, 'row')} of the target; going on`],
    });
  // Before capture: an index that is built reads the whole table, and nobody is on yet.
  const indexes = await buildKeyIndexes(migration, until, givenUp(data));
  if (!indexes.done)
    return again(KEY_INDEX_SECONDS, {
      data: { ...images.progress, givenUp: indexes.left },
      notes: [`index of the key: ${indexes.built.join(', ') || 'being built'}`],
    });
  const captured = await installCapture(migration, 'forward');
  const { kept } = images.progress;
  return judged([gate], {
    notes: [
      ...(kept === 0
        ? []
        : [`the target held ${counted(kept, 'row')} already; the way back restores them as they are now`]),
      ...indexes.built.map((name) => `index of the key built on ${name}`),
      ...indexes.left.map((line) => `no index of the key, so its walks are slow: ${line}`),
      captured.length === 0 ? 'capture was in place already' : `capture installed on ${captured.join(', ')}`,
      fenced.length === 0 ? 'the target was fenced already' : `the target is fenced: ${fenced.join(', ')}`,
    ],
  });
};

/** Tables that Crossfade has not begun to write: all while nobody is on, else those without capture. */
async function untouchedTables(migration: Migration): Promise<readonly MigratedTable[]> {
  const states = await tenantStates(migration.deps, 'forward');
  if (states.every((state) => !state.is_on)) return migration.tables;
  const uncaptured = await uncapturedTables(migration, 'forward');
  return migration.tables.filter((table) => uncaptured.includes(table.name));
}

/** An earlier answer of this step. */
function imageProgress(data: unknown): ImageProgress {
  return typeof data === 'object' && data !== null && 'kept' in data ? (data as ImageProgress) : IMAGE_START;
}

/** Indexes that an earlier call of this step could not build. */
function givenUp(data: unknown): readonly string[] {
  // This step's own data comes back as JSON.
  return typeof data === 'object' && data !== null && 'givenUp' in data ? (data.givenUp as readonly string[]) : [];
}

async function rehearse(migration: Migration): Promise<void> {
  const { deps, tables, byName } = migration;
  for (const store of STORES) {
    const roles = await storeRoles(deps, store);
    const pass = await appliers(deps, store);
    const onTables: readonly Statement[] =
      store === 'legacy'
        ? tables.flatMap((table) => [...captureFunctions(table, byName, 'forward', pass), ...captureTriggers(table)])
        : (await relationsOf(migration, store)).flatMap((relation) => fenceTable(relation, pass));
    await runAndRollBack(deps.databases.open(store, 'install'), [
      setLockTimeout(deps.plan.capture.lockTimeout),
      ...protocolSchema(),
      ...protocolGrants(roles),
      ...onTables,
    ]);
  }
}

async function runAndRollBack(store: SqlStore, statements: readonly Statement[]): Promise<void> {
  const done = new Error('rehearsed');
  try {
    await store.transaction(async (session) => {
      for (const statement of statements) await session.query(statement);
      throw done;
    });
  } catch (error) {
    if (error !== done) throw error;
  }
}

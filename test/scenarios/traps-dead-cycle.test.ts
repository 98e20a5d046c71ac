/**
 * A cycle whose execution is killed at any of its writes: the next one goes on with it, and what is on record in the end is what
 * one undisturbed cycle would have recorded. Nothing is counted twice, no difference that was found is forgotten.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../lib/adapters/memory/documents.ts';
import { createMemoryObjects } from '../../lib/adapters/memory/objects.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { installCapture, installSchemas } from '../../lib/application/install/install.ts';
import { mirrorTenants, turnOn } from '../../lib/application/tenants/exposure.ts';
import type { Run } from '../../lib/contracts/machine-io.ts';
import { runCycle } from '../support/cycle-steps.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';
import { aRun } from '../support/run.ts';

const SQL = `CREATE TABLE items (id integer PRIMARY KEY, tenant_id text NOT NULL, note text);
INSERT INTO items SELECT i, 'acme', 'n' || i FROM generate_series(1, 60) AS i`;
const PLAN = `
tenants: { column: tenant_id }
reconcile: { cycle: 1h, fullEvery: 1h, chunkRows: 25, splitRows: 3, recheckAfter: 5s, haltDriftPercent: 50, repair: { automatic: false, capRows: 50 } }
tables: { items: {} }
`;
const PLANTED = `UPDATE items SET note = 'rogue' WHERE id IN (5, 33); DELETE FROM items WHERE id = 12; INSERT INTO items VALUES (900, 'acme', 'x')`;

let test: TestMigration;
let clock: VirtualClock;
let deps: Deps;
let runs = 0;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL });
  await installSchemas(test.deps);
  await installCapture(await test.load(), 'forward');
  for (const tenant of ['*', 'acme'])
    await turnOn(test.deps, 'forward', { tenant, stage: 'dualwrite', copied: true, why: 'test' });
});

afterAll(() => test?.close());

beforeEach(async () => {
  clock = createVirtualClock({ start: new Date('2026-01-05T12:00:00Z'), autoAdvance: true });
});

/** A migration with nothing on record, and the differences in the target. */
async function begin(): Promise<void> {
  deps = { ...test.deps, clock, documents: createMemoryDocuments(), objects: createMemoryObjects() };
  await mirrorTenants(deps, 'forward');
  await test.target.query(
    `DELETE FROM items; INSERT INTO items SELECT i, 'acme', 'n' || i FROM generate_series(1, 60) AS i; ${PLANTED}`,
  );
}

function aCycleRun(): Run {
  runs += 1;
  const execution = `arn:aws:states:us-east-1:000000000000:execution:crossfade-test-reconcile:run-${runs}`;
  return aRun({ machine: 'reconcile', execution, startedAt: clock.now().toISOString(), repair: true });
}

class Killed extends Error {}

/** The process ends at its `n`th write of a record, before or after the write has come through. */
function killedAt(n: number, moment: 'before' | 'after'): { readonly deps: Deps; readonly writes: () => number } {
  let count = 0;
  const at = async <Result>(write: () => Promise<Result>): Promise<Result> => {
    count += 1;
    const isLast = count === n;
    if (isLast && moment === 'before') throw new Killed(`at write ${n}`);
    const result = await write();
    if (isLast) throw new Killed(`after write ${n}`);
    return result;
  };
  const { documents, objects } = deps;
  return {
    writes: () => count,
    deps: {
      ...deps,
      objects: { ...objects, put: (...given) => at(() => objects.put(...given)) },
      documents: {
        ...documents,
        put: (...given) => at(() => documents.put(...given)),
        remove: (...given) => at(() => documents.remove(...given)),
      },
    },
  };
}

async function killAndGoOn(n: number, moment: 'before' | 'after') {
  await begin();
  const killed = killedAt(n, moment);
  let isDead = false;
  try {
    await runCycle(killed.deps, aCycleRun());
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    isDead = true;
  }
  await clock.sleep(60_000);
  if (isDead) await runCycle(deps, aCycleRun());
  const cycles = (await deps.documents.list('cycle')).map(({ value }) => value);
  const open = (await deps.documents.list('progress')).filter(({ id }) => id === 'reconcile/open');
  const { rows: rogue } = await test.target.query(`SELECT id FROM items WHERE note <> 'n' || id`);
  return { isDead, cycles, open, rogue };
}

describe('a cycle that is killed', () => {
  it.each(['before', 'after'] as const)(
    '%s any of its writes is gone on with, counts every row once, and forgets nothing that it had found',
    { timeout: 180_000 },
    async (moment) => {
      let kills = 0;
      for (let n = 1; ; n++) {
        const { isDead, cycles, open, rogue } = await killAndGoOn(n, moment);
        if (!isDead) break;
        kills += 1;
        const where = `${moment} write ${n}`;
        const [first, ...later] = cycles.filter(({ failed }) => !failed);
        expect(first, where).toMatchObject({
          drift: 4,
          complete: true,
          tables: [{ rows: 61, chunks: 3 }],
        });
        // Whichever of them repaired it.
        expect(first?.tables[0]?.repaired, where).toBe(4);
        // Where it was over but for its last words, the next one is a cycle of its own, and finds nothing left.
        expect(
          later.map(({ drift, rows }) => [drift, rows]),
          where,
        ).toEqual(later.map(() => [0, 60]));
        expect([open, rogue], where).toEqual([[], []]);
      }
      // The list, the cycle, each chunk, each round, each difference, the record, and what repair does.
      expect(kills).toBeGreaterThan(20);
    },
  );
});

/** Which form of digest a table gets, from what the two servers answer. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../lib/adapters/system-clock.ts';
import type { Migration } from '../../../lib/application/migration.ts';
import { checkMd5, digestForms, unlikeTypes } from '../../../lib/application/reconcile/probe-digests.ts';
import type { StoreName } from '../../../lib/domain/direction.ts';
import type { MigratedTable } from '../../../lib/domain/table.ts';
import { loadPlan } from '../../../lib/plan/plan.ts';
import { type Databases, SqlError, type SqlStore } from '../../../lib/ports/sql.ts';
import { hashedTypes } from '../../../lib/sql/compare/probe-hashes.ts';
import { memoryDeps, planText } from '../../support/memory-deps.ts';

const TABLE: MigratedTable = {
  name: 'orders',
  schema: 'public',
  relation: 'orders',
  key: [{ name: 'id', type: 'uuid' }],
  tenant: { kind: 'none' },
  capture: 'trigger',
  legacyColumns: [],
  targetColumns: [],
  forward: [
    { column: 'amount', type: 'numeric(12,2)', expression: '"amount"', insertOnly: false },
    { column: 'data', type: 'jsonb', expression: '"data"', insertOnly: false },
  ],
  reverse: [],
  targetOwned: [],
  oneWay: [],
  critical: [],
  updatedAt: null,
  references: [],
};

type Answer = (store: StoreName, text: string) => Promise<readonly Record<string, string>[]>;

function aMigrationThat(answer: Answer, digest = 'fast'): Migration {
  const plan = loadPlan(
    planText(`tenants: none\nreconcile: { digest: ${digest} }\ntables: { orders: {} }`),
    'test.yaml',
  );
  const databases: Databases = {
    pageBytes: 700_000,
    // Only queries are asked.
    open: (store) => ({ query: ({ text }: { text: string }) => answer(store, text) }) as unknown as SqlStore,
    close: async () => {},
  };
  const deps = memoryDeps(plan, databases, systemClock);
  return { deps, tables: [TABLE], byName: new Map([[TABLE.name, TABLE]]) } as Migration;
}

const hashes = (...values: string[]) => [{ hashes: JSON.stringify(values) }];

describe('the form of a digest', () => {
  it('is the one that the plan wishes where both servers hash every type of a table alike, its key included', async () => {
    const migration = aMigrationThat(async () => hashes('1', '2', '3'));

    expect(hashedTypes(TABLE)).toEqual(['numeric(12,2)', 'jsonb', 'uuid']);
    expect(await digestForms(migration)).toEqual([{ table: 'orders', form: 'fast' }]);
  });

  it('is by itself exact for documents, outside of windows, and says why', async () => {
    const migration = aMigrationThat(async () => hashes('1', '2', '3'), 'auto');

    expect(await digestForms(migration)).toEqual([
      {
        table: 'orders',
        form: 'exact',
        because: expect.stringMatching(/^outside of windows, .* of data \(jsonb\) leaves out/),
      },
    ]);
  });

  it('is exact where a type is hashed differently, and says which', async () => {
    const migration = aMigrationThat(async (store) => hashes('1', store === 'legacy' ? '2' : '5', '3'));

    expect(await unlikeTypes(migration.deps, TABLE)).toEqual(['jsonb']);
    expect(await digestForms(migration)).toEqual([
      { table: 'orders', form: 'exact', because: 'the two servers hash jsonb differently' },
    ]);
  });

  it('is exact where a server leaves a type out of its answer', async () => {
    const migration = aMigrationThat(async (store) => (store === 'legacy' ? hashes('1', '2', '3') : hashes('1', '2')));

    expect(await unlikeTypes(migration.deps, TABLE)).toEqual(['uuid']);
  });
});

describe('MD5 by name', () => {
  it('is refused where a server does not compute it, and the refusal says what to use', async () => {
    const migration = aMigrationThat(async (store) => {
      if (store === 'target')
        throw new SqlError('could not compute MD5 hash: unsupported', { kind: 'permanent', sqlState: 'XX000' });
      return [{ hash: 'd41d8cd98f00b204e9800998ecf8427e' }];
    }, 'md5');

    await expect(checkMd5(migration.deps)).rejects.toThrow(/target server does not compute MD5 .* --mode=exact/);
    await expect(digestForms(migration)).rejects.toThrow(RangeError);
  });

  it('leaves the error of a store that is down as it is', async () => {
    const down = new SqlError('the database is not reachable', { kind: 'unavailable' });
    const migration = aMigrationThat(async () => {
      throw down;
    });

    await expect(checkMd5(migration.deps)).rejects.toBe(down);
  });
});

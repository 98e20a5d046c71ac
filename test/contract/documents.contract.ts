/** What Crossfade may rely on from its memory, whatever keeps it (lib/ports/documents.ts). */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Documents } from '../../lib/contracts/documents.ts';
import { type DocumentStore, VersionConflict } from '../../lib/ports/documents.ts';

export function describeDocumentStore(name: string, open: () => Promise<DocumentStore>): void {
  describe(`DocumentStore ${name}`, () => {
    let store: DocumentStore;

    beforeAll(async () => {
      store = await open();
    });

    test('a document that nobody wrote is undefined', async () => {
      expect(await store.get('tenant', 'nobody')).toBeUndefined();
    });

    test('a document comes back as it was put, with its version', async () => {
      const value = progress('a', {
        nested: { list: [1, 'two', null, true, 2.5], empty: {}, blank: '' },
        big: 123456789012,
      });

      const version = await store.put('progress', 'backfill/orders', value, 'absent');

      expect(version).toBe(1);
      expect(await store.get('progress', 'backfill/orders')).toEqual({ id: 'backfill/orders', version: 1, value });
    });

    test('members that are undefined are left out', async () => {
      const mark = { by: 'me', at: '2026-01-01', why: 'test' };

      await store.put('control', 'undefined', { paused: undefined, halted: mark }, 'any');

      expect(await store.get('control', 'undefined')).toEqual({ id: 'undefined', version: 1, value: { halted: mark } });
      expect(Object.keys((await store.get('control', 'undefined'))?.value ?? {})).toEqual(['halted']);
    });

    test('a put replaces the whole document', async () => {
      const mark = { by: 'me', at: '2026-01-01', why: 'test' };
      await store.put('control', 'whole', { paused: mark, halted: mark }, 'absent');

      await store.put('control', 'whole', { deliveryHeld: mark }, 'any');

      expect(await store.get('control', 'whole')).toEqual({ id: 'whole', version: 2, value: { deliveryHeld: mark } });
    });

    test('what a caller does to a value afterwards changes nothing that is stored', async () => {
      const state: Record<string, unknown> = { at: 1 };
      await store.put('progress', 'kept', progress('kept', state), 'absent');

      state.at = 2;

      expect((await store.get('progress', 'kept'))?.value.state).toEqual({ at: 1 });
    });

    test('`absent` refuses a document that is there', async () => {
      await store.put('progress', 'once', progress('once'), 'absent');

      await expect(store.put('progress', 'once', progress('twice'), 'absent')).rejects.toThrow(VersionConflict);
      expect((await store.get('progress', 'once'))?.value.work).toBe('once');
    });

    test('a version swaps only the version that was read, and grows by one', async () => {
      const first = await store.put('progress', 'swap', progress('1'), 'absent');
      const second = await store.put('progress', 'swap', progress('2'), first);

      const late = store.put('progress', 'swap', progress('late'), first);

      await expect(late).rejects.toThrow(VersionConflict);
      expect(second).toBe(first + 1);
      expect(await store.get('progress', 'swap')).toEqual({ id: 'swap', version: second, value: progress('2') });
    });

    test('a version refuses a document that is not there', async () => {
      await expect(store.put('progress', 'ghost', progress('ghost'), 1)).rejects.toThrow(VersionConflict);
      expect(await store.get('progress', 'ghost')).toBeUndefined();
    });

    test('of many who create or swap at once, exactly one wins', async () => {
      const creators = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => store.put('progress', 'race', progress(`${index}`), 'absent')),
      );
      const swappers = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => store.put('progress', 'race', progress(`${index}`), 1)),
      );

      expect(creators.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(swappers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    test('`any` writes whatever is there', async () => {
      expect(await store.put('progress', 'any', progress('1'), 'any')).toBe(1);
      expect(await store.put('progress', 'any', progress('2'), 'any')).toBe(2);
      expect((await store.get('progress', 'any'))?.value.work).toBe('2');
    });

    test('a list is in ascending order of id, of one kind, within its range', async () => {
      for (const id of ['03', '01', '02', '04']) await store.put('cycle', id, cycle(id), 'absent');

      expect(ids(await store.list('cycle'))).toEqual(['01', '02', '03', '04']);
      expect(ids(await store.list('cycle', { from: '02', to: '04' }))).toEqual(['02', '03']);
      expect(ids(await store.list('cycle', { from: '02' }))).toEqual(['02', '03', '04']);
      expect(ids(await store.list('cycle', { to: '02' }))).toEqual(['01']);
      expect(ids(await store.list('cycle', { from: '03', to: '02' }))).toEqual([]);
      expect(ids(await store.list('cycle', { from: '02', to: '02' }))).toEqual([]);
    });

    test('a list may be cut and turned round', async () => {
      expect(ids(await store.list('cycle', { limit: 2 }))).toEqual(['01', '02']);
      expect(ids(await store.list('cycle', { limit: 2, descending: true }))).toEqual(['04', '03']);
      expect(ids(await store.list('cycle', { from: '01', to: '03', limit: 1, descending: true }))).toEqual(['02']);
    });

    test('a list longer than one page of 1 MB comes whole', async () => {
      const filler = 'x'.repeat(100_000);
      for (let index = 0; index < 15; index += 1) {
        await store.put('run', `m#${String(index).padStart(2, '0')}`, run(filler), 'absent');
      }

      const all = await store.list('run');

      expect(all).toHaveLength(15);
      expect(ids(all)).toEqual(ids(all).toSorted());
      expect(ids(await store.list('run', { from: 'm#03', to: 'm#14', limit: 20 }))).toHaveLength(11);
    });

    test('ids of one kind are not those of another, and may hold any character', async () => {
      await store.put('drift', 'orders#["ä/☃","#\\n"]', drift('["ä"]'), 'absent');

      expect(await store.get('tenant', 'orders#["ä/☃","#\\n"]')).toBeUndefined();
      expect(ids(await store.list('drift'))).toEqual(['orders#["ä/☃","#\\n"]']);
    });

    test('ids longer than a database key are told apart', async () => {
      const long = `t#["${'k'.repeat(2000)}`;
      await store.put('drift', `${long}1"]`, drift('1'), 'absent');
      await store.put('drift', `${long}2"]`, drift('2'), 'absent');

      expect(await store.get('drift', `${long}1"]`)).toMatchObject({ id: `${long}1"]`, value: { rowKey: '1' } });
      expect(ids(await store.list('drift', { from: 't#', to: 't$' })).toSorted()).toEqual([`${long}1"]`, `${long}2"]`]);
    });

    test('counters add up, from any number of writers', async () => {
      await Promise.all(
        Array.from({ length: 12 }, () => store.add('reads', '2026-01-01T00:00', { target: 2, fallbacks: 1 })),
      );
      await store.add('reads', '2026-01-01T00:00', { legacy: 5, 'odd name.1': 1 });

      expect((await store.get('reads', '2026-01-01T00:00'))?.value).toEqual({
        target: 24,
        fallbacks: 12,
        legacy: 5,
        'odd name.1': 1,
      });
    });

    test('a removed document is gone, and may be made again', async () => {
      await store.put('breaker', 'target-read', breaker(), 'absent');

      await store.remove('breaker', 'target-read');
      await store.remove('breaker', 'target-read');

      expect(await store.get('breaker', 'target-read')).toBeUndefined();
      expect(await store.put('breaker', 'target-read', breaker(), 'absent')).toBe(1);
    });
  });
}

function ids(list: readonly { readonly id: string }[]): readonly string[] {
  return list.map(({ id }) => id);
}

function progress(work: string, state: Readonly<Record<string, unknown>> = {}): Documents['progress'] {
  return { work, state, at: '2026-01-01T00:00:00.000Z' };
}

function cycle(startedAt: string): Documents['cycle'] {
  return {
    execution: 'e',
    startedAt,
    endedAt: startedAt,
    mode: 'checksum',
    scopeKind: 'full',
    tenants: [],
    tables: [],
    rows: 0,
    drift: 0,
    driftPercent: 0,
    upperBoundPercent: 100,
    complete: true,
    failed: false,
  };
}

function run(error: string): Documents['run'] {
  return {
    execution: 'e',
    machine: 'baseline',
    scope: [],
    dryRun: false,
    from: null,
    requestedBy: 'test',
    startedAt: '2026-01-01T00:00:00.000Z',
    step: 'begin',
    steps: [],
    gates: [],
    reasons: [],
    error,
  };
}

function drift(rowKey: string): Documents['drift'] {
  return { table: 'orders', rowKey, tenant: null, kind: 'missing', columns: [], foundAt: '2026-01-01', cycle: '1' };
}

function breaker(): Documents['breaker'] {
  return { state: 'closed', openedAt: null, reason: '', probeOwner: null, probeUntil: null, openings: 0 };
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTables, type Declarations } from '../../lib/domain/schema-parity.ts';
import type { StoreColumn, StoreTable } from '../../lib/domain/store-table.ts';
import { fitOf } from '../../lib/domain/type-parity.ts';

const NOTHING_DECLARED: Declarations = { columns: {}, from: {}, expressionTypes: {} };

function aColumn(name: string, type = 'text', more: Partial<StoreColumn> = {}): StoreColumn {
  return {
    name,
    type,
    notNull: false,
    fill: 'none',
    expression: null,
    collation: null,
    deterministic: true,
    increment: null,
    sequence: null,
    ...more,
  };
}

function aTable(columns: readonly StoreColumn[], more: Partial<StoreTable> = {}): StoreTable {
  return {
    name: 'orders',
    columns,
    indexes: [],
    links: [],
    checks: [],
    types: [],
    triggers: [],
    rowSecurity: '[]',
    seesAll: true,
    partitionKey: null,
    unlogged: false,
    estimatedRows: 0,
    bytes: 0,
    ...more,
  };
}

const anIndex = (columns: readonly string[]) => ({
  name: 'i',
  unique: true,
  primary: false,
  exclusion: false,
  valid: true,
  method: 'btree',
  parts: columns,
  columns,
  predicate: null,
  nullsEqual: false,
  partitioned: false,
  bytes: 0,
});

describe('types', () => {
  it.each([
    ['integer', 'bigint', 'wider'],
    ['bigint', 'integer', 'narrower'],
    ['integer', 'numeric(9,0)', 'narrower'],
    ['integer', 'numeric', 'wider'],
    ['numeric(10,2)', 'numeric(12,2)', 'wider'],
    ['numeric(10,2)', 'numeric(11,4)', 'narrower'],
    ['numeric', 'numeric(12,2)', 'narrower'],
    ['numeric(10,2)', 'integer', 'narrower'],
    ['character varying(10)', 'text', 'wider'],
    ['text', 'character varying(10)', 'narrower'],
    ['character(3)', 'text', 'different'],
    ['timestamp without time zone', 'timestamp with time zone', 'different'],
    ['timestamp(3) with time zone', 'timestamp with time zone', 'wider'],
    ['timestamp with time zone', 'timestamp(0) with time zone', 'narrower'],
    ['json', 'jsonb', 'different'],
    ['real', 'double precision', 'different'],
    ['double precision', 'real', 'narrower'],
    ['integer[]', 'bigint[]', 'wider'],
    ['integer', 'integer[]', 'different'],
    ['public.mood', 'public.mood', 'same'],
  ])('%s fits %s: %s', (from, to, fit) => {
    expect(fitOf(from, to)).toBe(fit);
  });

  it('are never wider both ways', () => {
    const type = fc.oneof(
      fc.constantFrom('smallint', 'integer', 'bigint', 'numeric', 'text', 'real', 'double precision', 'date'),
      fc
        .tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 10 }))
        .map(([p, s]) => `numeric(${p},${Math.min(p, s)})`),
      fc.integer({ min: 1, max: 300 }).map((n) => `character varying(${n})`),
    );

    fc.assert(fc.property(type, type, (a, b) => !(fitOf(a, b) === 'wider' && fitOf(b, a) === 'wider')));
  });
});

describe('tables', () => {
  it('that are alike have no delta', () => {
    const table = aTable([aColumn('id', 'bigint', { notNull: true }), aColumn('note')], {
      indexes: [anIndex(['note'])],
    });

    expect(compareTables(table, table, NOTHING_DECLARED)).toEqual({ deltas: [], notes: [] });
  });

  it('compare what stands on a renamed column under its new name', () => {
    const legacy = aTable([aColumn('id'), aColumn('email')], { indexes: [anIndex(['email'])] });
    const target = aTable([aColumn('id'), aColumn('mail')], { indexes: [anIndex(['mail'])] });
    const declared: Declarations = { columns: { mail: 'mapped' }, from: { mail: 'email' }, expressionTypes: {} };

    expect(compareTables(legacy, target, declared).deltas).toEqual([]);
    expect(compareTables(legacy, { ...target, indexes: [] }, declared).deltas).toMatchObject([{ kind: 'unique' }]);
  });

  it('do not count what stands on a dropped column or on one that the target owns', () => {
    const legacy = aTable([aColumn('id'), aColumn('old')], { indexes: [anIndex(['old'])] });
    const target = aTable(
      [aColumn('id'), aColumn('score', 'integer', { notNull: true, fill: 'default', expression: '0' })],
      { indexes: [anIndex(['score'])] },
    );
    const declared: Declarations = {
      columns: { old: 'dropped', score: 'target-owned' },
      from: {},
      expressionTypes: {},
    };

    expect(compareTables(legacy, target, declared).deltas).toEqual([]);
  });

  it('differ when the target owns a column that nothing fills', () => {
    const target = aTable([aColumn('score', 'integer', { notNull: true })]);

    const { deltas } = compareTables(aTable([]), target, {
      columns: { score: 'target-owned' },
      from: {},
      expressionTypes: {},
    });

    expect(deltas).toMatchObject([{ kind: 'nullability' }]);
  });

  it('take serial and identity for the same, but not GENERATED ALWAYS', () => {
    const serial = aTable([aColumn('id', 'bigint', { fill: 'sequence', expression: "nextval('a'::regclass)" })]);
    const identity = (fill: 'identity' | 'identity-always') => aTable([aColumn('id', 'bigint', { fill })]);

    expect(compareTables(serial, identity('identity'), NOTHING_DECLARED).deltas).toEqual([]);
    expect(compareTables(serial, identity('identity-always'), NOTHING_DECLARED).deltas).toMatchObject([
      { kind: 'sequence' },
    ]);
  });

  it('have a trigger that may fill owned columns, and no other one', () => {
    const trigger = { name: 'fill', enabled: 'O', beforeRow: true };
    const legacy = aTable([aColumn('id')]);
    const target = aTable([aColumn('id'), aColumn('score')], { triggers: [trigger] });
    const owned: Declarations = { columns: { score: 'target-owned' }, from: {}, expressionTypes: {} };

    expect(compareTables(legacy, target, owned).deltas).toEqual([]);
    expect(
      compareTables(legacy, { ...target, triggers: [{ ...trigger, beforeRow: false }] }, owned).deltas,
    ).toMatchObject([{ kind: 'trigger' }]);
    expect(
      compareTables(legacy, { ...target, triggers: [{ ...trigger, beforeRow: false, enabled: 'D' }] }, owned).deltas,
    ).toEqual([]);
  });
});

/** Keys that cannot tell rows apart in both stores, or cannot be walked in order, are refused before anything is compared or copied. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aMigration, type TestMigration } from '../support/migration.ts';

/** By table: the key's type in legacy and in the target. */
const KEYS = {
  narrow_text: ['text', 'varchar(8)'],
  narrow_number: ['numeric', 'numeric(10,2)'],
  narrow_time: ['timestamptz', 'timestamptz(3)'],
  other_type: ['integer', 'text'],
  document: ['jsonb', 'jsonb'],
  list: ['integer[]', 'integer[]'],
  document_by_domain: ['public.doc_again', 'public.doc_again'],
  list_by_domain: ['public.numbers', 'public.numbers'],
  record: ['public.pair', 'public.pair'],
  any_case: ['text COLLATE public.any_case', 'text COLLATE public.any_case'],
  wide_text: ['varchar(8)', 'text'],
  wide_number: ['integer', 'bigint'],
} as const;
const COLLATION = `CREATE COLLATION public.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN public.doc AS jsonb; CREATE DOMAIN public.doc_again AS public.doc; CREATE DOMAIN public.numbers AS integer[]; CREATE TYPE public.pair AS (a integer, b text);`;

let stores: TestMigration;

beforeAll(async () => {
  const sqlOf = (store: 0 | 1) =>
    COLLATION +
    Object.entries(KEYS)
      .map(([table, types]) => `CREATE TABLE ${table} (k ${types[store]} PRIMARY KEY, body text);`)
      .join('\n');
  const plan = `tenants: none\ntables: { ${Object.keys(KEYS)
    .map((table) => `${table}: {}`)
    .join(', ')} }\n`;
  stores = await aMigration({ plan, legacySql: sqlOf(0), targetSql: sqlOf(1) });
});

afterAll(() => stores?.close());

it('names every such key at once, with both types and what to do, and lets a key grow wider', async () => {
  const refusal = await stores.load().then(
    () => [],
    (error: { readonly problems: readonly string[] }) => error.problems,
  );

  const narrow = (table: string, legacy: string, target: string) =>
    `table ${table}: key column k is ${legacy} in legacy and ${target} in the target, which does not hold every key; give it legacy's type`;
  const unordered = (table: string, type: string) =>
    `table ${table}: key column k is ${type}; a key of documents or lists cannot be walked in order`;
  expect(refusal).toEqual([
    narrow('narrow_text', 'text', 'character varying(8)'),
    narrow('narrow_number', 'numeric', 'numeric(10,2)'),
    narrow('narrow_time', 'timestamp with time zone', 'timestamp(3) with time zone'),
    narrow('other_type', 'integer', 'text'),
    unordered('document', 'jsonb'),
    unordered('list', 'integer[]'),
    unordered('document_by_domain', 'public.doc_again'),
    unordered('list_by_domain', 'public.numbers'),
    unordered('record', 'public.pair'),
    expect.stringContaining('table any_case: its key has a nondeterministic collation'),
  ]);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { numberParameters } from '../../../lib/local/data-api/named-parameters.ts';

describe('named parameters', () => {
  test('are numbered in the order in which they first appear', () => {
    const sql = numberParameters('SELECT :b, :a WHERE x = :b AND y=:c_2');

    expect(sql).toEqual({ text: 'SELECT $1, $2 WHERE x = $1 AND y=$3', names: ['b', 'a', 'c_2'] });
  });

  test('keep the cast that follows them', () => {
    expect(numberParameters('SELECT :ids::uuid[], (:n)::int8').text).toBe('SELECT $1::uuid[], ($2)::int8');
  });

  test.each([
    ['a string', `SELECT ':a', 'it''s :b'`],
    ['a string with backslashes', String.raw`SELECT E'\':a', e'\\' || E':b'`],
    ['a string that only looks escaped', String.raw`SELECT '\' AS "x", 'y'`],
    ['a quoted identifier', 'SELECT 1 AS ":a", 2 AS "q"":b"'],
    ['a line comment', "SELECT 1 -- :a it's\n, 2"],
    ['a nested block comment', "SELECT /* :a /* :b */ :c ' */ 1"],
    ['a dollar quote', "DO $$ BEGIN x := ':a'; PERFORM :b; END $$"],
    ['a tagged dollar quote', 'SELECT $body$ $$ :a $$ $other$ :b $body$'],
    ['a cast', 'SELECT 1::text, x::"T"'],
    ['an assignment', 'SELECT f(a := 1, b=>2)'],
    ['a time', "SELECT '10:30:00'::time"],
    ['a slice', 'SELECT a[1:2]'],
  ])('are not seen in %s', (_, sql) => {
    expect(numberParameters(sql)).toEqual({ text: sql, names: [] });
  });

  test('are seen again after each of those ends', () => {
    const sql = numberParameters(`SELECT 'x':a, E'\\'' :b, "q":c, /* /* */ */:d, $$;$$:e, $t$ $$ $t$:f -- :no\n:g`);

    expect(sql.names).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });

  test('are seen after an identifier that ends in e or holds a dollar sign', () => {
    expect(numberParameters(`SELECT te'x' , a$b$c , :p , d$b$e`).names).toEqual(['p']);
  });

  test('leave everything as it was where there is no colon', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', "'", '"', '$', '/', '*', '-', '\n', '\\', 'E', ' ') }),
        (sql) => numberParameters(sql).text === sql,
      ),
    );
  });
});

/** Answers on a page of 80 columns: what is prose is wrapped, what is there to be copied stays whole. */
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { expect, test } from 'vitest';
import { facts, shortArns, table, wrap } from '../../lib/cli/render/layout.ts';
import { columnsOf, type Paint } from '../../lib/cli/terminal.ts';
import { counted } from '../../lib/domain/counted.ts';

const PLAIN: Paint = pc.createColors(false);
const UUID = '["1b6453892473a467d07372d45eb05abc2031647a"]';

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => stripVTControlCharacters(line).length));
}

test('a table that fits stands as it is', () => {
  const drawn = table(PLAIN, ['table', 'rows'], [['orders', '7']]);

  expect(drawn).toBe('table   rows\norders  7');
});

test('a column of prose is wrapped between words, and its neighbours keep their lines', () => {
  const why = 'the target takes longer for a statement than the plan allows, and so the copy waits for it';
  const drawn = table(PLAIN, ['machine', 'state', 'why'], [['backfill', 'waiting', why]]);

  expect(widest(drawn)).toBeLessThanOrEqual(78);
  expect(drawn.replaceAll(/\s+/g, ' ')).toContain(why);
  expect(drawn.split('\n')[1]).toMatch(/^backfill {2}waiting {2}the target takes/);
});

test('columns that do not fit follow their row by name, and a key is never broken', () => {
  const head = ['table', 'key', 'tenant', 'kind', 'columns', 'found'];
  const row = ['customers', UUID, 'acme', 'different', 'email, name', '2026-01-05 12:00:00Z'];

  const drawn = table(PLAIN, head, [row, ['orders', '[7]', '-', 'missing', '-', '2026-01-05 12:00:00Z']]);

  expect(widest(drawn)).toBeLessThanOrEqual(78);
  expect(drawn.split('\n')).toEqual([
    expect.stringMatching(/^table +key +tenant +kind$/),
    `customers  ${UUID}  acme    different`,
    '    columns email, name; found 2026-01-05 12:00:00Z',
    expect.stringMatching(/^orders {5}\[7\] +- +missing$/),
    '    found 2026-01-05 12:00:00Z',
  ]);
});

test('colours count for nothing', () => {
  const paint: Paint = pc.createColors(true);
  const rows = [['orders', paint.red('different')]];

  expect(stripVTControlCharacters(table(paint, ['table', 'kind'], rows))).toBe('table   kind\norders  different');
});

test('a wide terminal is used', () => {
  const row = ['customers', UUID, 'acme', 'different', 'email', '2026-01-05 12:00:00Z'];
  const drawn = table({ ...PLAIN, columns: 160 }, ['table', 'key', 'tenant', 'kind', 'columns', 'found'], [row]);

  expect(drawn.split('\n')[1]?.split(/ {2,}/)).toEqual(row);
});

test('long facts go on under their value', () => {
  const drawn = facts(PLAIN, [
    ['held back', 'the replica at the other side lags by 12000 ms, and the plan allows it no more than 10000'],
    ['rows', '7'],
  ]);

  expect(drawn.split('\n')).toEqual([
    expect.stringMatching(/^held back {2}the replica/),
    expect.stringMatching(/^ {11}\S/),
    'rows       7',
  ]);
  expect(widest(drawn)).toBeLessThanOrEqual(78);
});

test.each([
  ['a row', 'in orders [1, 2] it differs', 12, 'in\norders [1, 2]\nit differs'],
  ['a percentage', 'about 0.01 % of it', 8, 'about\n0.01 %\nof it'],
  ['a moment', 'due 2026-01-05 12:00:00Z', 12, 'due\n2026-01-05 12:00:00Z'],
])('%s is one word', (_, text, width, expected) => {
  expect(wrap(text, width)).toBe(expected);
});

test('people are named by the last part of their ARN', () => {
  const text = 'paused by arn:aws:sts::1:assumed-role/Operator/alice@example.org: nightly load';

  expect(shortArns(text)).toBe('paused by assumed-role/Operator/alice@example.org: nightly load');
});

test('one is not many', () => {
  expect([counted(1, 'row'), counted(0, 'row'), counted(2, 'row')]).toEqual(['1 row', '0 rows', '2 rows']);
});

test.each([
  [{}, 132, 132],
  [{ COLUMNS: '100' }, undefined, 100],
  [{ COLUMNS: 'wide' }, undefined, 80],
  [{}, undefined, 80],
  [{}, 20, 60],
])('with %j and a terminal of %s columns the page has %i', (environment, ofTerminal, expected) => {
  expect(columnsOf(environment, ofTerminal)).toBe(expected);
});

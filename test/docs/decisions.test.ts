import { globSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CHECKOUT, linksOf, readDocument } from './markdown.ts';

const PARTS = ['Status', 'Context', 'Positions', 'Decision', 'Consequences'];
const RECORDS = globSync('docs/adr/[0-9]*.md', { cwd: CHECKOUT }).toSorted();

it('numbers decisions without a gap', () => {
  const numbers = RECORDS.map((file) => Number(/\/(\d{3})-[a-z0-9-]+\.md$/.exec(file)?.[1]));

  expect(numbers).toEqual(RECORDS.map((_, index) => index + 1));
});

it.each(RECORDS)('%s has its five parts in order', (file) => {
  const parts = readDocument(file).headings.flatMap(({ level, title }) => (level === 2 ? [title] : []));

  expect(parts).toEqual(PARTS);
});

it('lists every decision in the architecture', () => {
  const linked = linksOf(readDocument('docs/architecture.md'));

  expect(RECORDS.filter((file) => !linked.includes(file.replace('docs/', '')))).toEqual([]);
});

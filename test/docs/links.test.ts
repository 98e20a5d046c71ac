import { expect, it } from 'vitest';
import { brokenLink, linksOf, readDocument, readDocuments } from './markdown.ts';

it.each(readDocuments())('$file links to what is there', (document) => {
  const broken = linksOf(document).flatMap((target) => brokenLink(document, target) ?? []);

  expect(broken).toEqual([]);
});

it('finds a link that leads nowhere', () => {
  const readme = readDocument('README.md');

  const broken = ['docs/not-there.md', 'docs/runbook.md#not-a-section', '#not-here'].map((target) =>
    brokenLink(readme, target),
  );

  expect(broken.filter((fault) => fault === undefined)).toEqual([]);
});

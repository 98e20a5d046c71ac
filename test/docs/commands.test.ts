import { describe, expect, it } from 'vitest';
import { readDocuments } from './markdown.ts';
import { faultOf } from './shell-line.ts';

const DOCUMENTS = readDocuments();

describe.each(DOCUMENTS)('$file', ({ blocks, prose }) => {
  it('has no shell line that would not run', async () => {
    const lines = blocks
      .filter(({ language }) => language === 'sh')
      .flatMap((block) => block.lines.map((line) => ({ line, awsOnly: block.awsOnly })));

    const faults = await Promise.all(
      lines.map(async ({ line, awsOnly }) => ({ line, fault: await faultOf(line, awsOnly) })),
    );

    expect(faults.filter(({ fault }) => fault !== undefined)).toEqual([]);
  });

  it('names no command in its text that would not run', async () => {
    const spans = [...prose.matchAll(/`(?<span>(?:npx crossfade|npm run) [a-z][^`]*)`/g)].map(
      ({ groups }) => groups?.span ?? '',
    );
    // `<id>` and `…` stand for something that the reader has.
    const commands = spans.map((span) => span.replaceAll(/<[^>]*>|…/g, 'x'));

    const faults = await Promise.all(commands.map(async (line) => ({ line, fault: await faultOf(line, true) })));

    expect(faults.filter(({ fault }) => fault !== undefined)).toEqual([]);
  });
});

it('is not fooled: wrong lines are found', async () => {
  const wrong = [
    'npm run nothing',
    'npm run local -- start',
    'npm run local -- up --plain shop.yaml',
    'npm run demo --seed 1',
    'npm run bench -- everything',
    'npm run bench -- relay --fast',
    'npm run cdk -- deploy --all',
    'npx crossfade status shop',
    'npx crossfade start everything --wait --quick',
    'npx crossfade drift',
    'psql -f roles.sql',
    'curl https://example.com',
  ];

  const faults = await Promise.all(wrong.map((line) => faultOf(line, false)));

  expect(wrong.filter((_, index) => faults[index] === undefined)).toEqual([]);
});

it('reads at least the commands of the README', () => {
  const readme = DOCUMENTS.find(({ file }) => file === 'README.md');

  const lines = readme?.blocks.flatMap((block) => block.lines) ?? [];

  expect(lines).toEqual(expect.arrayContaining(['npm run demo', 'npm test']));
});

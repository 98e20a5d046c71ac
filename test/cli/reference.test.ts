import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMMANDS } from '../../lib/cli/commands/all.ts';
import { EXIT_MEANINGS } from '../../lib/cli/exit-codes.ts';
import { buildProgram } from '../../lib/cli/program.ts';
import { describeProgram, renderDefinition, renewReference } from '../../lib/cli/reference.ts';
import { createWorld } from './support/world.ts';

const DEFINITION = '../../docs/cli-definition.json';
const GUIDE = '../../docs/cli.md';

test('docs/cli-definition.json is the command tree', async () => {
  const definition = describeProgram(buildProgram(async () => undefined));

  await expect(renderDefinition(definition)).toMatchFileSnapshot(DEFINITION);
});

test('the reference in docs/cli.md is that of the program', async () => {
  const written = readFileSync(new URL(GUIDE, import.meta.url), 'utf8');

  const renewed = renewReference(written, describeProgram(buildProgram(async () => undefined)));

  await expect(renewed).toMatchFileSnapshot(GUIDE);
});

test('the exit codes in docs/cli.md are those of the program', () => {
  const written = readFileSync(new URL(GUIDE, import.meta.url), 'utf8');

  const rows = [...written.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning]);

  expect(Object.fromEntries(rows)).toEqual(EXIT_MEANINGS);
});

test('help shows every command and every exit code', async () => {
  const world = createWorld();

  const exit = await world.run('--help');

  expect(exit).toBe(0);
  expect(world.stdout).toMatchSnapshot();
});

test.each(COMMANDS.map(({ name }) => name))('help of %s has examples, and each example parses', async (name) => {
  const world = createWorld();

  const exit = await world.run(...name.split(' '), '--help');

  expect(exit).toBe(0);
  expect(world.stdout).toMatchSnapshot();
  for (const { command } of COMMANDS.find((each) => each.name === name)?.examples ?? []) {
    const parsed: string[] = [];
    const program = buildProgram(async (found) => void parsed.push(found.name));
    await program.parseAsync(wordsOf(command), { from: 'user' });
    expect(parsed).toEqual([name]);
  }
});

/** What a shell hands over: up to a pipe, without quotes. */
function wordsOf(command: string): string[] {
  const beforePipe = command.split(/ [|>] /)[0] ?? '';
  return [...beforePipe.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

test.each([80, 100, 132])(
  'help fits a terminal of %i columns; only the command line of an example stays whole',
  async (columns) => {
    const world = createWorld({ columns });

    for (const { name } of COMMANDS) {
      await world.run(...name.split(' '), '--help');
      const lines = world.stdout
        .split('\n')
        .filter((line) => !line.startsWith('  crossfade ') && !line.startsWith('Usage'));
      for (const line of lines) expect(line.length, `${name}: ${line}`).toBeLessThanOrEqual(columns);
    }
  },
);

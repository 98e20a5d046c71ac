import { expect, test } from 'vitest';
import { explainError } from '../../lib/cli/explain-error.ts';
import { wantsColours } from '../../lib/cli/terminal.ts';
import { VersionConflict } from '../../lib/ports/documents.ts';
import { createWorld } from './support/world.ts';

test('a plan that is not deployed is wrong usage, and names the plans that are', async () => {
  const world = createWorld();

  const exit = await world.run('status', '--plan', 'shpo');

  expect(exit).toBe(2);
  expect(world.stderr).toBe(
    'crossfade: no system is deployed for plan shpo; deployed here: shop\nnext: npx crossfade status --plan shop\n',
  );
  expect(world.stdout).toBe('');
});

test('with --json a failure is JSON on stdout, too', async () => {
  const world = createWorld();

  const { exit, payload } = await world.json('runs', 'nothing');

  expect(exit).toBe(2);
  expect(payload).toEqual({ error: { message: 'no run nothing of plan shop', exit: 2 }, next: 'npx crossfade runs' });
});

test('a misspelt command is wrong usage with a suggestion', async () => {
  const world = createWorld();

  const exit = await world.run('statsu');

  expect(exit).toBe(2);
  expect(world.stderr).toContain("unknown command 'statsu'");
  expect(world.stderr).toContain('Did you mean status?');
});

test('names the help of the command that was meant, whatever stands before it', async () => {
  const world = createWorld();

  await world.run('--plan', 'status', 'reconcile', '--mode', 'foo');

  expect(world.stderr).toContain('next: npx crossfade reconcile --help');
});

test.each([
  [named('CredentialsProviderError', 'Could not load credentials from any providers'), 1, 'no AWS credentials'],
  [named('Error', 'Region is missing'), 2, 'set AWS_REGION'],
  [
    named('ExpiredTokenException', 'The security token included in the request is expired'),
    1,
    'AWS refused the credentials',
  ],
  [
    named('AccessDeniedException', 'User is not authorized to perform: states:StartExecution'),
    1,
    'states:StartExecution',
  ],
  [
    new AggregateError([Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:4566'), { code: 'ECONNREFUSED' })]),
    1,
    'AWS_ENDPOINT_URL=http://127.0.0.1:4566 cannot be reached (ECONNREFUSED',
  ],
  [new VersionConflict('approval', '7f', 3), 3, 'nothing was changed'],
  [
    named('SqlError', 'legacy, as role compare: environment variable LEGACY_URL is not set'),
    2,
    'legacy, as role compare: environment variable LEGACY_URL is not set',
  ],
  [new TypeError('x is not a function'), 1, 'TypeError: x is not a function'],
] as const)('%s is one clear line with an exit code', (error, exit, message) => {
  const explained = explainError(error, { AWS_ENDPOINT_URL: 'http://127.0.0.1:4566' });

  expect(explained.exit).toBe(exit);
  expect(explained.message).toContain(message);
  expect(explained.message).not.toContain('\n');
  expect(explained.next).not.toBe('');
});

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ TERM: 'dumb' }, true, false],
])('colours with %j on a terminal %s: %s', (environment, isTty, expected) => {
  expect(wantsColours(environment, isTty)).toBe(expected);
});

test('without colours no answer holds an escape sequence', async () => {
  const world = createWorld();

  for (const command of [
    ['status'],
    ['doctor'],
    ['flags', 'show'],
    ['drift', 'status'],
    ['runs'],
    ['approvals'],
    ['pause'],
  ]) {
    await world.run(...command);
    expect(world.stdout).not.toContain('\u001b');
    expect(world.stdout).toMatch(/\nnext: npx crossfade .+\n$/);
  }
});

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

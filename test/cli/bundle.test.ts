/** The bundle that `npx crossfade` runs is of the code that there is, and the code itself runs where there can be none. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleOf } from '../../bin/bundle.js';

let checkout: string;
let entry: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'crossfade-bundle-'));
  entry = join(checkout, 'bin/cli.ts');
  write('package.json', '{ "type": "module" }');
  write('package-lock.json', '{}');
  write('bench/nothing.ts', '');
  write('lib/word.ts', `export const word: string = 'first';`);
  write('bin/cli.ts', `const { word } = await import('../lib/word.ts');\nconsole.log(word);`);
});

afterEach(() => {
  rmSync(checkout, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(checkout, path)), { recursive: true });
  writeFileSync(join(checkout, path), text);
}

const run = (path: string) => execFileSync(process.execPath, [path], { encoding: 'utf8' }).trim();

describe('a bundle', () => {
  it('does what its sources do, and is made once', async () => {
    const [one, other] = await Promise.all([bundleOf(entry, checkout), bundleOf(entry, checkout)]);

    expect(one).toMatch(/\.crossfade\/bundles\/cli\/\w+\/cli\.js$/);
    expect(run(one)).toBe('first');
    expect([other, await bundleOf(entry, checkout)]).toEqual([one, one]);
  });

  it('is another one as soon as a source, or the lock file, is another', async () => {
    const first = await bundleOf(entry, checkout);
    write('lib/word.ts', `export const word: string = 'second';`);
    const second = await bundleOf(entry, checkout);
    write('package-lock.json', '{ "lockfileVersion": 3 }');
    const third = await bundleOf(entry, checkout);

    expect([first, second, third].map(run)).toEqual(['first', 'second', 'second']);
    expect(new Set([first, second, third]).size).toBe(3);
  });

  it('is not there for a mistake, which Node tells by its place in the source', async () => {
    write('lib/word.ts', 'export const word = ;');

    expect(await bundleOf(entry, checkout)).toBe(entry);
  });

  it('is not there where a source cannot be looked at', async () => {
    rmSync(join(checkout, 'package-lock.json'));

    expect(await bundleOf(entry, checkout)).toBe(entry);
  });

  it('is not there where it cannot be written', async () => {
    write('.crossfade/bundles', 'a file in its place');

    const path = await bundleOf(entry, checkout);

    expect(path).toBe(entry);
    expect(run(path)).toBe('first');
  });
});

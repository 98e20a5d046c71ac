import { existsSync } from 'node:fs';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { FUNCTIONS } from '../../lib/contracts/functions.ts';
import { FUNCTION_TABLE } from '../../lib/infra/function-table.ts';
import { ROLE_PURPOSES } from '../../lib/plan/plan.ts';

/** `databases.open('legacy', 'relay')`, `deps.databases.open(store, 'compare')`, as esbuild prints them. */
const OPEN = /\.open\(\s*[^,()]+(?:\([^()]*\))?\s*,\s*"(?<purpose>[a-z]+)"/g;
/** Code that opens a store for every purpose there is. */
const ALL = /of ROLE_PURPOSES\d*\)|PURPOSES\d*\.map\(\s*async/;

describe('purposes in the function table', () => {
  it.each(FUNCTIONS)('cover every store that the code of %s can open', async (name) => {
    const entry = `lambdas/${name}/handler.ts`;
    expect(existsSync(entry), entry).toBe(true);

    const opened = await purposesIn(entry);

    expect(FUNCTION_TABLE[name].purposes).toEqual(expect.arrayContaining([...opened]));
  });
});

/** Looks at the bundle without what nothing calls: a function has to be able to do what its code does, not what its modules could. */
async function purposesIn(entry: string): Promise<readonly string[]> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    treeShaking: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  const code = outputFiles.map(({ text }) => text).join('\n');
  if (ALL.test(code)) return ROLE_PURPOSES;
  return [...new Set([...code.matchAll(OPEN)].map((match) => match.groups?.purpose ?? ''))];
}

import { existsSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { FUNCTIONS } from '../../lib/contracts/functions.ts';
import { FUNCTION_TABLE } from '../../lib/infra/function-table.ts';

/** `databases.open('legacy', 'relay')`, `deps.databases.open(store, 'compare')`. */
const OPEN = /\.open\(\s*[^,()]+(?:\([^()]*\))?\s*,\s*'(?<purpose>[a-z]+)'/g;

describe('purposes in the function table', () => {
  it.each(FUNCTIONS)('cover every store that the code of %s can open', async (name) => {
    const entry = `lambdas/${name}/handler.ts`;
    expect(existsSync(entry), entry).toBe(true);

    const opened = await purposesReachableFrom(entry);

    expect(
      [...opened].filter((purpose) => !FUNCTION_TABLE[name].purposes.some((granted) => granted === purpose)),
    ).toEqual([]);
  });
});

async function purposesReachableFrom(entry: string): Promise<Set<string>> {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  const sources = Object.keys(metafile.inputs).filter((path) => path.startsWith('lib/') || path.startsWith('lambdas/'));
  const found = sources.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(OPEN)].map((match) => match.groups?.purpose ?? ''),
  );
  return new Set(found);
}

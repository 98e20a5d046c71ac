import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMap, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { loadPlan, PlanError } from '../../lib/plan/plan.ts';

const production = readFileSync(new URL('../fixtures/plans/production.yaml', import.meta.url), 'utf8');

/** Mappings whose keys the schema knows, by path; in the others every name is a tenant, a table, a column or a caller. */
const OPEN = [
  /^tenants\.known$/,
  /^services$/,
  /^tables$/,
  /^tables\.[\w.]+\.columns$/,
  /\.on$/,
  /\.back$/,
  /^reads\.callers$/,
];

test('an unknown key is refused wherever it stands, with its line', () => {
  const paths = closedMappings();

  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.stringMatching(/^zz[a-z]{6,12}$/), (path, key) => {
      const document = parseDocument(production);
      const mapping = path.length === 0 ? document.contents : document.getIn(path);
      if (!isMap(mapping)) throw new Error(`no mapping at ${path.join('.')}`);
      mapping.add(document.createPair(key, 1));
      const text = String(document);

      const issues = issuesOf(text);

      const line = text.split('\n').findIndex((candidate) => candidate.includes(key)) + 1;
      expect(issues).toHaveLength(1);
      expect(issues[0]).toMatchObject({
        line,
        path: [...path, key].join('.'),
        message: expect.stringContaining(`unknown key ${key}`),
      });
    }),
  );
});

function closedMappings(): string[][] {
  const document = parseDocument(production, { lineCounter: new LineCounter() });
  const found: string[][] = [];
  const walk = (mapping: YAMLMap, path: string[]) => {
    if (!OPEN.some((open) => open.test(path.join('.')))) found.push(path);
    for (const { key, value } of mapping.items as Pair[]) {
      if (isMap(value)) walk(value, [...path, String(key)]);
    }
  };
  if (isMap(document.contents)) walk(document.contents, []);
  return found;
}

function issuesOf(text: string) {
  try {
    loadPlan(text, 'plan.yaml');
    return [];
  } catch (error) {
    if (error instanceof PlanError) return error.issues;
    throw error;
  }
}

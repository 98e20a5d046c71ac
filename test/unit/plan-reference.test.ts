import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { planJsonSchema } from '../../lib/plan/json-schema.ts';
import { renderPlanReference } from '../../lib/plan/reference.ts';

const doc = (name: string) => new URL(`../../docs/${name}`, import.meta.url);
const BEGIN = '<!-- keys: begin (written by `vitest run test/unit/plan-reference.test.ts -u`) -->';
const END = '<!-- keys: end -->';

test('docs/plan.md has every key with its unit, its defaults and the guide’s value', async () => {
  const text = readFileSync(doc('plan.md'), 'utf8');

  const written = `${text.slice(0, text.indexOf(BEGIN))}${BEGIN}\n\n${renderPlanReference()}\n${text.slice(text.indexOf(END))}`;

  expect(text).toContain(BEGIN);
  await expect(written).toMatchFileSnapshot(doc('plan.md').pathname);
});

test('docs/plan.schema.json is the schema that the loader uses', () => {
  const stored: unknown = JSON.parse(readFileSync(doc('plan.schema.json'), 'utf8'));

  expect(stored, 'write it with `node test/support/write-plan-schema.ts` and format it with Biome').toEqual(
    planJsonSchema(),
  );
});

test('every key of the JSON Schema says what it means', () => {
  const silent: string[] = [];
  const walk = (schema: Record<string, unknown>, path: string) => {
    for (const [key, child] of Object.entries((schema.properties ?? {}) as Record<string, Record<string, unknown>>)) {
      const at = `${path}.${key}`;
      if (child.description === undefined && child.properties === undefined) silent.push(at);
      walk(child, at);
    }
  };

  walk(planJsonSchema() as Record<string, unknown>, '');

  expect(silent).toEqual(['.legacy', '.target']);
});

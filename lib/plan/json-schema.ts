/** The JSON Schema of the plan file, for editors (docs/plan.schema.json), made from the schema that the loader uses. */
import { z } from 'zod';
import { isMapping, resolvedDefaults } from './environments.ts';
import { ENVIRONMENTS, planFileSchema } from './schema.ts';

export interface JsonSchema {
  $schema?: string;
  title?: string;
  description?: string;
  type?: string | readonly string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  'x-unit'?: string;
}

/** Draft 7, which editors read; keys with a default are optional, and the default stands beside them. */
export function planJsonSchema(): JsonSchema {
  // zod types its own output more widely than this file reads it.
  const schema = z.toJSONSchema(planFileSchema, { io: 'input', target: 'draft-7' }) as JsonSchema;
  const defaults = ENVIRONMENTS.map((environment) => resolvedDefaults(environment));
  addDefaults(schema, defaults);
  allowEmptyTables(schema);
  return { ...schema, title: 'Crossfade migration plan' };
}

/** The keys that a plan may have at `path`: of the alternatives there, the one that `value` chooses by its driver, else all. */
export function knownKeysAt(schema: JsonSchema, path: readonly (string | number)[], value: unknown): readonly string[] {
  return schemasAt([schema], path)
    .flatMap((at) => alternativesOf(at))
    .filter((at) => !isMapping(value) || matchesDriver(at, value))
    .flatMap((at) => Object.keys(at.properties ?? {}));
}

/** Dotted paths at which `key` may stand; helps whoever wrote it into the wrong section. */
export function pathsOfKey(schema: JsonSchema, key: string, prefix = ''): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    return [...(name === key ? [path] : []), ...pathsOfKey(child, key, path)];
  });
}

function alternativesOf(schema: JsonSchema): readonly JsonSchema[] {
  const alternatives = schema.anyOf ?? schema.oneOf;
  return alternatives === undefined ? [schema] : alternatives.flatMap(alternativesOf);
}

function matchesDriver(schema: JsonSchema, value: Readonly<Record<string, unknown>>): boolean {
  const driver = schema.properties?.driver?.const;
  return driver === undefined || value.driver === undefined || driver === value.driver;
}

function schemasAt(
  schemas: readonly JsonSchema[],
  [key, ...rest]: readonly (string | number)[],
): readonly JsonSchema[] {
  if (key === undefined) return schemas;
  const next = schemas.flatMap(alternativesOf).flatMap((schema) => {
    const child = typeof key === 'number' ? schema.items : schema.properties?.[key];
    if (child !== undefined) return [child];
    return typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
  });
  return schemasAt(next, rest);
}

function addDefaults(schema: JsonSchema, defaults: readonly unknown[]): void {
  const sections = defaults.filter(isMapping);
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const values = sections.map((section) => section[key]);
    if (values.some((value) => value === undefined)) continue;
    schema.required = schema.required?.filter((name) => name !== key) ?? [];
    if (values.every(isMapping)) addDefaults(child, values);
    else if (new Set(values.map((value) => JSON.stringify(value))).size === 1) child.default = values[0];
    else
      child.description = `${child.description ?? key} (default: ${ENVIRONMENTS.map((name, index) => `${name} ${JSON.stringify(values[index])}`).join(', ')})`;
  }
  if (schema.required?.length === 0) delete schema.required;
}

/** `orders:` with nothing after it is a table without settings. */
function allowEmptyTables(schema: JsonSchema): void {
  const table = schema.properties?.tables?.additionalProperties;
  if (typeof table === 'object') table.type = ['object', 'null'];
}

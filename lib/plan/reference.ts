/** The reference of every key of the plan as Markdown tables (docs/plan.md), made from the schema, the defaults and the guide's limits. */
import { isMapping, resolvedDefaults } from './environments.ts';
import { guideValue, limitOf } from './guide-limits.ts';
import { type JsonSchema, planJsonSchema } from './json-schema.ts';
import { ENVIRONMENTS } from './schema.ts';

const HEAD = '| key | unit | default | guide | meaning |\n|---|---|---|---|---|';

/** One table a section of the plan, in the order of the schema. */
export function renderPlanReference(): string {
  const schema = planJsonSchema();
  const defaults = ENVIRONMENTS.map((environment) => resolvedDefaults(environment));
  // Both stores have the same keys; they are shown once.
  const rows = rowsOf(schema, '', defaults).filter(({ path }) => !path.startsWith('target ('));
  const sections = Map.groupBy(rows, ({ path }) => (path.match(/[.<]/) === null ? '' : (path.split('.')[0] ?? '')));
  return [...sections]
    .map(
      ([section, entries]) =>
        `### ${section === '' ? 'Top level' : `\`${section}\``}\n\n${HEAD}\n${entries.map(({ line }) => line).join('\n')}\n`,
    )
    .join('\n');
}

interface Row {
  readonly path: string;
  readonly line: string;
}

function rowsOf(schema: JsonSchema, prefix: string, defaults: readonly unknown[]): readonly Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    const values = defaults.map((section) => (isMapping(section) ? section[key] : undefined));
    const inner = childrenOf(child, path, values);
    const row = { path, line: lineOf(path, child, values, schema.required?.includes(key) ?? false) };
    return inner.length > 0 && child.description === undefined ? inner : [row, ...inner];
  });
}

function childrenOf(schema: JsonSchema, path: string, values: readonly unknown[]): readonly Row[] {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) {
    return alternatives.flatMap((alternative) => {
      const driver = alternative.properties?.driver?.const;
      return childrenOf(alternative, driver === undefined ? path : `${path} (${driver})`, values);
    });
  }
  if (typeof schema.additionalProperties === 'object')
    return childrenOf(schema.additionalProperties, `${path}.<name>`, []);
  if (schema.items !== undefined) return childrenOf(schema.items, `${path}[]`, []);
  return rowsOf(schema, path, values);
}

function lineOf(path: string, schema: JsonSchema, values: readonly unknown[], required: boolean): string {
  const isSection =
    schema.properties !== undefined || schema.additionalProperties !== undefined || schema.oneOf !== undefined;
  const standing = schema.default === undefined ? values : [schema.default];
  const cells = [
    `\`${path}\``,
    unitOf(schema),
    required ? '**required**' : isSection ? '' : defaultsOf(standing),
    guideOf(path),
    aboutOf(schema),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function unitOf(schema: JsonSchema): string {
  if (schema['x-unit'] !== undefined) return schema['x-unit'];
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  return typeof schema.type === 'string' ? (NAMES[schema.type] ?? schema.type) : '';
}

const NAMES: Readonly<Record<string, string>> = {
  object: '',
  array: 'list',
  string: 'text',
  boolean: '`true`, `false`',
};

function defaultsOf(values: readonly unknown[]): string {
  const shown = values.map((value) =>
    value === undefined ? 'none' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``,
  );
  return new Set(shown).size <= 1
    ? (shown[0] ?? 'none')
    : ENVIRONMENTS.map((environment, index) => `${environment} ${shown[index]}`).join(', ');
}

function guideOf(path: string): string {
  const limit = limitOf(path.replace(/ \(.*?\)/, ''));
  if (limit === undefined || (path.endsWith('.tls') && !path.includes('(pg)'))) return '';
  const values = ENVIRONMENTS.map((environment) => guideValue(limit, environment)).map((value) =>
    Array.isArray(value) ? value.join(', ') || 'none' : String(value),
  );
  const text =
    new Set(values).size === 1
      ? values[0]
      : ENVIRONMENTS.map((environment, index) => `${environment} ${values[index]}`).join('; ');
  return `${limit.rule} ${text} (${limit.source})`;
}

/** The defaults have a column of their own. */
function aboutOf(schema: JsonSchema): string {
  return (schema.description ?? '').replace(/ \(default: .*\)$/, '');
}

/** From the bare values of a plan file to a plan, or to everything that is wrong with it. */
import type { z } from 'zod';
import { isMapping, withDefaults } from './environments.ts';
import { type Finding, finding, type PlanPath, type WellFormed } from './findings.ts';
import { type JsonSchema, knownKeysAt, pathsOfKey, planJsonSchema } from './json-schema.ts';
import { nearest } from './nearest.ts';
import { resolvePlan } from './resolve.ts';
import { checkRules } from './rules.ts';
import { ENVIRONMENTS, type Environment, type Plan, planFileSchema } from './schema.ts';
import { tableSchema } from './tables.ts';

export type CheckedPlan = { readonly plan: Plan } | { readonly findings: readonly Finding[] };

const SECRET_KEY =
  /^(password|passwd|pwd|pass|url|uri|dsn|jdbc|connection-?_?string|database-?_?url|user(name)?|secret|token)$/i;
const SECRET_ADVICE =
  'a URL, user or password must not be in the plan; name a secret (secretArn) or the environment variable that holds the URL (urlEnv)';

export function checkPlan(raw: unknown): CheckedPlan {
  if (!isMapping(raw))
    return { findings: [finding([], 'expected a mapping with name, environment, legacy, target, tenants and tables')] };
  const complete = withDefaults(raw, environmentOf(raw));
  const parsed = planFileSchema.safeParse(complete);
  const names = { tables: keysOf(complete.tables), services: keysOf(complete.services) };
  const wellFormed = parsed.success ? parsed.data : wellFormedPartsOf(complete);
  const findings = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => describeIssue(issue, [], complete))),
    ...checkRules(wellFormed, names),
  ];
  return parsed.success && findings.length === 0 ? { plan: resolvePlan(parsed.data) } : { findings };
}

/** Where the environment itself is wrong, dev's defaults stand in: they let most other faults be seen. */
function environmentOf(raw: Readonly<Record<string, unknown>>): Environment {
  return ENVIRONMENTS.find((name) => name === raw.environment) ?? 'dev';
}

function keysOf(value: unknown): readonly string[] {
  return isMapping(value) ? Object.keys(value) : [];
}

function wellFormedPartsOf(raw: Readonly<Record<string, unknown>>): WellFormed {
  const parts = Object.entries(planFileSchema.shape).flatMap(([key, schema]) => {
    if (raw[key] === undefined) return [];
    if (key === 'tables' && isMapping(raw[key])) return [[key, wellFormedTablesOf(raw[key])] as const];
    const part = schema.safeParse(raw[key]);
    return part.success ? [[key, part.data] as const] : [];
  });
  // Each part was parsed by the schema of its own key.
  return Object.fromEntries(parts) as WellFormed;
}

function wellFormedTablesOf(raw: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    Object.entries(raw).flatMap(([name, table]) => {
      const part = tableSchema.safeParse(table);
      return part.success ? [[name, part.data] as const] : [];
    }),
  );
}

type Issue = z.core.$ZodIssue;

function describeIssue(issue: Issue, base: PlanPath, root: unknown): readonly Finding[] {
  // Paths of a plan hold no symbols.
  const path = [...base, ...(issue.path as (string | number)[])];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => finding([...path, key], describeUnknownKey(key, path, root), 'key'));
  if (issue.code === 'invalid_key') return [finding(path, issue.issues[0]?.message ?? issue.message, 'key')];
  if (issue.code === 'invalid_union') {
    const chosen = issue.errors
      .filter((branch) => !branch.some(rejectsWhole))
      .sort((left, right) => left.length - right.length)[0];
    return chosen === undefined
      ? [missingOr(issue.message, path, root)]
      : chosen.flatMap((inner) => describeIssue(inner, path, root));
  }
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return [
      missingOr(
        `expected ${issue.expected === 'object' || issue.expected === 'record' ? 'a mapping' : `a ${issue.expected}`}`,
        path,
        root,
      ),
    ];
  }
  return [missingOr(issue.message, path, root)];
}

/** Whether an alternative does not fit the kind of value at all, so that its complaints would mislead. */
function rejectsWhole(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function missingOr(message: string, path: PlanPath, root: unknown): Finding {
  const missing = path.length > 0 && valueAt(root, path) === undefined;
  return missing ? finding(path, `missing key ${path.at(-1)}: ${message}`, 'key') : finding(path, message);
}

let jsonSchema: JsonSchema | undefined;

function describeUnknownKey(key: string, path: PlanPath, root: unknown): string {
  if (SECRET_KEY.test(key)) return `unknown key ${key}: ${SECRET_ADVICE}`;
  jsonSchema ??= planJsonSchema();
  const known = knownKeysAt(jsonSchema, path, valueAt(root, path));
  const advice = nearest(key, known);
  if (advice !== '') return `unknown key ${key}${advice}`;
  const elsewhere = pathsOfKey(jsonSchema, key);
  if (elsewhere.length > 0) return `unknown key ${key} here; it belongs to ${elsewhere.slice(0, 3).join(' or ')}`;
  return `unknown key ${key}; expected one of: ${known.join(', ')}`;
}

function valueAt(value: unknown, path: PlanPath): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}

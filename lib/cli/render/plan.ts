import type { PlanCheckPayload } from '../../application/operate/check-plan.ts';
import type { JsonSchema } from '../../plan/json-schema.ts';
import type { Paint } from '../terminal.ts';
import { facts, stack, table } from './layout.ts';

export type PlanCheckAnswer = PlanCheckPayload | { readonly schema: JsonSchema; readonly next: string };

export function renderPlanCheck(payload: PlanCheckAnswer, paint: Paint): string {
  if ('schema' in payload) return JSON.stringify(payload.schema, null, 2);
  return payload.valid ? renderValid(payload, paint) : renderIssues(payload, paint);
}

function renderIssues({ issues, file }: PlanCheckPayload, paint: Paint): string {
  const lines = issues.map(
    ({ file: name, line, column, path, message }) =>
      `${paint.bold(`${name}:${line}:${column}`)} ${path === '' ? '' : `${paint.cyan(path)}: `}${message}`,
  );
  const count = issues.length === 1 ? '1 fault' : `${issues.length} faults`;
  return stack(lines.join('\n'), `${paint.red('not valid')}: ${count} in ${file}`);
}

function renderValid({ plan, file, deviations }: PlanCheckPayload, paint: Paint): string {
  const summary = facts(paint, [
    ['plan', plan?.name ?? null],
    ['environment', plan?.environment ?? null],
    ['tables', plan === null ? null : plan.tables.join(', ')],
    ['tenants', plan?.tenants ?? null],
    ['hash', plan?.hash.slice(0, 12) ?? null],
  ]);
  const weaker = deviations.map(({ path, value, guide, source }) => [
    path,
    paint.yellow(value),
    guide,
    paint.dim(source),
  ]);
  return stack(
    `${paint.green('valid')}: ${file}`,
    summary,
    deviations.length === 0
      ? 'nothing is weaker than the guide'
      : `weaker than the guide, which only a dev plan may be:\n${table(paint, ['key', 'plan', 'guide', 'source'], weaker)}`,
  );
}

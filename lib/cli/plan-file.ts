/** `--plan` and `--file` may name a plan file: its name finds the system, its hash is compared with the deployed one. */
import { loadPlan, planHash } from '../plan/plan.ts';
import type { Context } from './context.ts';

type Reader = Pick<Context, 'readFile'>;

export function looksLikeFile(text: string): boolean {
  return /[/\\]|\.(ya?ml|json)$/i.test(text);
}

/** @throws {PlanError} when the plan is faulty. */
export async function planNameOf({ readFile }: Reader, given: string): Promise<string> {
  return looksLikeFile(given) ? loadPlan(await readFile(given), given).name : given;
}

/** The file given, else the one that `--plan` names. */
export async function fileHashOf(context: Context, file: string | undefined): Promise<string | undefined> {
  const plan = context.options.plan;
  const path = file ?? (plan !== undefined && looksLikeFile(plan) ? plan : undefined);
  return path === undefined ? undefined : planHash(loadPlan(await context.readFile(path), path));
}

/** A fault of a plan before it has a line: where it is, by path, and what is expected there. */
import { findDeviations } from './guide-limits.ts';
import type { Environment, PlanFile } from './schema.ts';

export type PlanPath = readonly (string | number)[];

export interface Finding {
  readonly path: PlanPath;
  /** What is expected; holds no value that could be a secret. */
  readonly message: string;
  /** `key`: the key itself is at fault, not its value. */
  readonly at: 'key' | 'value';
}

/** The sections of a plan that are well formed; `tables` holds those tables that are. */
export type WellFormed = Partial<PlanFile>;

export function finding(path: PlanPath, message: string, at: Finding['at'] = 'value'): Finding {
  return { path, message, at };
}

/** In staging and prod, values weaker than the guide's are faults; in dev they are deviations and pass. */
export function deviationIssues(plan: object, environment: Environment): readonly Finding[] {
  if (environment === 'dev') return [];
  return findDeviations(plan, environment).map(({ path, value, guide, source }) =>
    finding(
      path.split('.'),
      `expected ${guide} in ${environment} (${source}); got ${value}; only a dev plan may be weaker than the guide`,
    ),
  );
}

/** `plan check`: everything that is wrong with a plan file, or what it deviates from the guide in. Nothing is deployed and nothing is asked. */
import { type Deviation, deviations, loadPlan, PlanError, type PlanIssue, planHash } from '../../plan/plan.ts';

export interface PlanCheckPayload {
  readonly file: string;
  readonly valid: boolean;
  readonly issues: readonly PlanIssue[];
  /** What the plan says, where it is valid. */
  readonly plan: {
    readonly name: string;
    readonly environment: string;
    readonly hash: string;
    readonly tables: readonly string[];
    readonly tenants: string;
  } | null;
  /** Values weaker than the guide's: a dev plan may have them, and is told. */
  readonly deviations: readonly Deviation[];
  readonly next: string;
}

export function checkPlanFile(text: string, file: string): PlanCheckPayload {
  try {
    const plan = loadPlan(text, file);
    const tenants =
      plan.tenants.kind === 'none'
        ? 'none: one implicit tenant'
        : `column ${plan.tenants.column}, ${plan.tenants.known.length} known beforehand`;
    return {
      file,
      valid: true,
      issues: [],
      plan: {
        name: plan.name,
        environment: plan.environment,
        hash: planHash(plan),
        tables: Object.keys(plan.tables),
        tenants,
      },
      deviations: deviations(plan),
      next: `npm run cdk -- deploy --all -c plan=${file}`,
    };
  } catch (error) {
    if (!(error instanceof PlanError)) throw error;
    return {
      file,
      valid: false,
      issues: error.issues,
      plan: null,
      deviations: [],
      next: `npx crossfade plan check ${file}`,
    };
  }
}

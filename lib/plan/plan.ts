/** The plan: everything that other folders use of it. */
export { type DailyWindow, isOpen, nextOpening, openShare } from './daily-window.ts';
export { resolvedDefaults, VALIDATION_SCOPE } from './environments.ts';
export { type Deviation, deviations, GUIDE_LIMITS, guideValue, limitOf } from './guide-limits.ts';
export { planHash } from './hash.ts';
export { loadPlan, PlanError, type PlanIssue, renderPlanIssues } from './load.ts';
export type { ColumnPlan, Environment, KnownTenant, Plan, TablePlan, TenantsPlan } from './schema.ts';
export { ENVIRONMENTS } from './schema.ts';
export {
  type PgStore,
  type RdsDataStore,
  ROLE_PURPOSES,
  type RolePurpose,
  type StorePlan,
  secretArnFor,
} from './stores.ts';
export { formatDuration, type Milliseconds, parseDuration } from './units.ts';

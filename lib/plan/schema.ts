/**
 * The plan file as one schema: strict, so an unknown key is an error. From it derive the types, the JSON Schema for editors and
 * the reference in docs/plan.md. `PlanFile` is what stands in the file (durations already in milliseconds); `Plan` is what
 * resolve.ts makes of it and what the rest of the code reads.
 */
import { z } from 'zod';
import type { TenantPath } from '../domain/table.ts';
import type { DailyWindow } from './daily-window.ts';
import { choice, duration, durationOrNone, listOf, text } from './fields.ts';
import {
  alarmsSchema,
  approvalsSchema,
  encryptionSchema,
  evidenceSchema,
  fenceSchema,
  flagsSchema,
  retentionSchema,
  TRIGGERS,
  windowsSchema,
} from './running-sections.ts';
import {
  backfillSchema,
  baselineSchema,
  captureSchema,
  decommissionSchema,
  dualWriteSchema,
  ISOLATION_LEVELS,
  poolsSchema,
  readsSchema,
  reconcileSchema,
  relaySchema,
  switchoverSchema,
} from './sections.ts';
import { networkSchema, storeSchema } from './stores.ts';
import { regionsSchema, servicesSchema, tablesSchema, tenantsSchema } from './tables.ts';
import type { Milliseconds } from './units.ts';

export const ENVIRONMENTS = ['dev', 'staging', 'prod'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

export const planFileSchema = z.strictObject(
  {
    name: text(
      'name of the migration, in the names of all that is deployed',
      /^[a-z][a-z0-9-]{0,30}$/,
      'a name of small letters, digits and hyphens that begins with a letter, 31 characters at most',
    ),
    environment: choice('row of the environment matrix that gives the defaults', ENVIRONMENTS),
    trigger: choice('what starts a phase', TRIGGERS),
    legacy: storeSchema,
    target: storeSchema,
    network: networkSchema.optional(),
    applicationRoles: listOf(
      'database roles that applications use; install refuses to run as one of them',
      text('role', /^[^\p{Cc}"]{1,63}$/u, 'the name of a database role'),
    ),
    tenants: tenantsSchema,
    regions: regionsSchema.optional(),
    services: servicesSchema.optional(),
    tables: tablesSchema,
    pools: poolsSchema,
    isolation: choice('isolation level of application transactions in both stores', ISOLATION_LEVELS),
    latencyBudget: durationOrNone('what capture may add to a legacy write, p99', { min: '1ms', max: '10s' }),
    targetTimeout: duration('limit of a live write on the target; then it goes to the retry queue', {
      min: '1ms',
      max: '45s',
    }),
    baseline: baselineSchema,
    capture: captureSchema,
    dualWrite: dualWriteSchema,
    relay: relaySchema,
    backfill: backfillSchema,
    reconcile: reconcileSchema,
    reads: readsSchema,
    switchover: switchoverSchema,
    decommission: decommissionSchema,
    windows: windowsSchema,
    approvals: approvalsSchema,
    evidence: evidenceSchema,
    flags: flagsSchema,
    fence: fenceSchema,
    retention: retentionSchema,
    alarms: alarmsSchema,
    encryption: encryptionSchema,
  },
  { error: 'expected a mapping with name, environment, legacy, target, tenants and tables' },
);

export type PlanFile = z.output<typeof planFileSchema>;
/** As written: durations are text. */
export type PlanInput = z.input<typeof planFileSchema>;

/** A target column that legacy fills, a target column that legacy does not, or a legacy column that nothing carries. */
export type ColumnPlan =
  /** `back`: expression over the target row for each legacy column that it fills. */
  | { readonly kind: 'mapped'; readonly from: string; readonly back: Readonly<Record<string, string>> }
  | { readonly kind: 'one-way'; readonly from: string }
  | { readonly kind: 'target-owned' }
  /** Keyed by the legacy column. */
  | { readonly kind: 'dropped' };

export interface TablePlan {
  readonly tenant: TenantPath;
  readonly updatedAtColumn: string | null;
  readonly capture: 'trigger' | 'client';
  readonly columns: Readonly<Record<string, ColumnPlan>>;
  readonly criticalColumns: readonly string[];
  /** Own interval of cycles; null: `reconcile.cycle`. */
  readonly every: Milliseconds | null;
  /** Service that alone writes the table. */
  readonly service: string | null;
}

export interface KnownTenant {
  readonly id: string;
  readonly region: string | null;
  /** null: every service. */
  readonly services: readonly string[] | null;
}

export type TenantsPlan =
  /** One implicit tenant `*`. */
  | { readonly kind: 'none'; readonly known: readonly KnownTenant[] }
  | { readonly kind: 'column'; readonly column: string; readonly known: readonly KnownTenant[] };

/** The checked plan: complete, frozen, every duration in milliseconds under the key that it has in the file. */
export type Plan = DeepReadonly<
  Omit<PlanFile, 'tables' | 'tenants' | 'pools' | 'regions' | 'services'> & {
    tables: Record<string, TablePlan>;
    tenants: TenantsPlan;
    regions: string[];
    /** Service to the tables that it alone writes. */
    services: Record<string, { tables: string[] }>;
    pools: Omit<PlanFile['pools'], 'target'> & { target: number };
  }
>;

export type DeepReadonly<Value> = Value extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
    : Value;

export type { DailyWindow, Milliseconds };

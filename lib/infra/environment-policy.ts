/** What differs by environment in how state is kept: a dev deployment leaves nothing behind, a prod one keeps what it recorded. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Environment, Plan } from '../plan/plan.ts';

export interface EnvironmentPolicy {
  /** Of tables, buckets, queues, keys, flags and log groups. */
  readonly removal: RemovalPolicy;
  /** Of the control table. */
  readonly deletionProtection: boolean;
  /** `cdk destroy` is refused from the deploy on; in dev only while a migration is under way. */
  readonly terminationProtection: boolean;
  /** A key of our own where the plan names none. Deleting a key takes days, so dev has none. */
  readonly ownKey: boolean;
  readonly versionedBucket: boolean;
}

export const ENVIRONMENT_POLICIES: Readonly<Record<Environment, EnvironmentPolicy>> = {
  dev: {
    removal: RemovalPolicy.DESTROY,
    deletionProtection: false,
    terminationProtection: false,
    ownKey: false,
    versionedBucket: false,
  },
  staging: {
    removal: RemovalPolicy.DESTROY,
    deletionProtection: false,
    terminationProtection: true,
    ownKey: true,
    versionedBucket: true,
  },
  prod: {
    removal: RemovalPolicy.RETAIN,
    deletionProtection: true,
    terminationProtection: true,
    ownKey: true,
    versionedBucket: true,
  },
};

const DAY = 86_400_000;

/** The plan's schema admits only numbers of days that CloudWatch has, which are the values of RetentionDays. */
export function logRetention(plan: Plan): RetentionDays {
  return plan.retention.logs / DAY;
}

export function inWholeMinutes(milliseconds: number): Duration {
  return Duration.minutes(Math.max(1, Math.ceil(milliseconds / 60_000)));
}

export function inWholeSeconds(milliseconds: number): Duration {
  return Duration.seconds(Math.ceil(milliseconds / 1_000));
}

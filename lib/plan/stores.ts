/** The two stores of a migration: how to reach each, and which secret each of Crossfade's roles has (design §9). No secret stands in the plan. */
import { z } from 'zod';
import { choice, count, flag, secretArn, text } from './fields.ts';

/** What Crossfade's roles are for; the same list as the SQL port's (a test compares them). */
export const ROLE_PURPOSES = ['install', 'relay', 'apply', 'backfill', 'compare', 'fence', 'read'] as const;
export type RolePurpose = (typeof ROLE_PURPOSES)[number];

/** Purposes of different groups may not share a secret in staging and prod (design §9: install, relay and apply, compare, fence). */
export const ROLE_GROUPS: Readonly<Record<RolePurpose, string>> = {
  install: 'install',
  relay: 'relay and apply',
  apply: 'relay and apply',
  backfill: 'relay and apply',
  compare: 'compare',
  fence: 'fence',
  read: 'read',
};

export const TLS_MODES = ['verify-full', 'verify-ca', 'require', 'disable'] as const;

const HOST_PATTERN = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;
const HOST_FORM = 'a host name without protocol, user or port';

const rolesSchema = z
  .strictObject({
    install: secretArn('creates and removes the crossfade schema, capture objects and roles').optional(),
    relay: secretArn('claims outbox rows').optional(),
    apply: secretArn('writes rows into the receiving store; its statement timeout is `targetTimeout`').optional(),
    backfill: secretArn('copies history; has its own statement timeout').optional(),
    compare: secretArn('reads both stores for digests').optional(),
    fence: secretArn('fences and unfences the store').optional(),
    read: secretArn('answers reads of the router').optional(),
  })
  .meta({
    description:
      'a secret for each purpose; staging and prod need all, in dev an absent one means the secret of the store',
  });

const database = text('name of the database', /^[^\p{Cc}]{1,63}$/u, 'the name of a database (1 to 63 characters)');

export const rdsDataStoreSchema = z
  .strictObject({
    driver: z.literal('rds-data').meta({ description: 'RDS Data API of an Aurora cluster' }),
    clusterArn: text(
      'ARN of the Aurora cluster',
      /^arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:cluster:[A-Za-z0-9-]+$/,
      'the ARN of an Aurora cluster (arn:aws:rds:REGION:ACCOUNT:cluster:NAME)',
    ),
    secretArn: secretArn('secret of the store, for each purpose that `roles` leaves out').optional(),
    database,
    roles: rolesSchema.optional(),
  })
  .meta({ description: 'a store behind the RDS Data API' });

export const pgStoreSchema = z
  .strictObject({
    driver: z.literal('pg').meta({ description: 'PostgreSQL wire protocol' }),
    urlEnv: text(
      'NAME of the environment variable that holds the connection URL (dev only)',
      /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
      'the name of an environment variable, such as CROSSFADE_LEGACY_URL; the URL itself holds a password and must not be in the plan',
    ).optional(),
    secretArn: secretArn(
      'secret {username, password} of the store, for each purpose that `roles` leaves out',
    ).optional(),
    host: text('host of the writer', HOST_PATTERN, HOST_FORM).optional(),
    port: count('port of the writer and the reader', 1, 65_535).optional(),
    database: database.optional(),
    reader: text(
      'host of a read replica that may answer reads; absent: none configured',
      HOST_PATTERN,
      HOST_FORM,
    ).optional(),
    tls: choice('how far the server certificate is verified', TLS_MODES).default('verify-full'),
    caBundle: text(
      'NAME of the file with the certificate authority, inside the deployed bundle; absent: the system store and the RDS authorities',
      /^[\w.-]{1,128}$/,
      'a file name without folders',
    ).optional(),
    clusterIdentifier: text(
      'Aurora cluster that an RDS Proxy is put before',
      /^[A-Za-z][A-Za-z0-9-]{0,62}$/,
      'the identifier of an RDS cluster',
    ).optional(),
    instanceIdentifier: text(
      'RDS instance that an RDS Proxy is put before',
      /^[A-Za-z][A-Za-z0-9-]{0,62}$/,
      'the identifier of an RDS instance',
    ).optional(),
    roles: rolesSchema.optional(),
  })
  .meta({ description: 'a store behind the PostgreSQL protocol' });

export const storeSchema = z.discriminatedUnion('driver', [rdsDataStoreSchema, pgStoreSchema], {
  error: 'expected a mapping with driver: rds-data or driver: pg',
});
export type RdsDataStore = z.output<typeof rdsDataStoreSchema>;
export type PgStore = z.output<typeof pgStoreSchema>;
export type StorePlan = RdsDataStore | PgStore;

export const networkSchema = z
  .strictObject({
    vpcId: text('VPC that the functions join', /^vpc-[0-9a-f]{8,17}$/, 'the id of a VPC (vpc-…)'),
    subnetIds: z
      .array(text('subnet', /^subnet-[0-9a-f]{8,17}$/, 'the id of a subnet (subnet-…)'), {
        error: 'expected a list of subnet ids',
      })
      .min(2, { error: 'expected at least 2 subnets, in different zones' })
      .meta({ description: 'private subnets, in at least two zones' }),
    securityGroupIds: z
      .array(text('security group', /^sg-[0-9a-f]{8,17}$/, 'the id of a security group (sg-…)'), {
        error: 'expected a list of security group ids',
      })
      .min(1, { error: 'expected at least 1 security group' })
      .meta({ description: 'groups that the databases admit' }),
    rdsProxy: flag(
      'put an RDS Proxy before each pg store that has a clusterIdentifier or an instanceIdentifier',
    ).default(false),
  })
  .meta({ description: 'network of the functions, for pg stores that are not public' });

/** ARN of the secret of one purpose; undefined where the store's URL comes from the environment and names no secret. */
export function secretArnFor(store: Readonly<StorePlan>, purpose: RolePurpose): string | undefined {
  return store.roles?.[purpose] ?? store.secretArn;
}

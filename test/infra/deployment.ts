/** Synthesises both stacks of a plan without bundling: the context that cdk.json gives, and what the test adds. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll } from 'vitest';
import { addCrossfade } from '../../lib/infra/crossfade-app.ts';
import { loadPlan } from '../../lib/plan/load.ts';
import type { Plan } from '../../lib/plan/plan.ts';

const ACCOUNT = '000000000000';
const REGION = 'eu-central-1';
const secret = (name: string) => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${name}-AbCdEf`;
const PURPOSES = ['install', 'relay', 'apply', 'backfill', 'compare', 'fence', 'read'];
const roles = (store: string) =>
  `{ ${PURPOSES.map((purpose) => `${purpose}: "${secret(`${store}-${purpose}`)}"`).join(', ')} }`;

export const clusterArn = (store: string) => `arn:aws:rds:${REGION}:${ACCOUNT}:cluster:${store}`;
export const roleSecret = (store: string, purpose: string) => secret(`${store}-${purpose}`);

/** Two Aurora clusters behind the Data API, one secret each. */
export const DEV_PLAN = `
name: shop
environment: dev
legacy: { driver: rds-data, clusterArn: "${clusterArn('legacy')}", secretArn: "${secret('legacy')}", database: shop }
target: { driver: rds-data, clusterArn: "${clusterArn('target')}", secretArn: "${secret('target')}", database: shop }
tenants: { column: tenant_id }
tables:
  orders: { updatedAtColumn: updated_at }
`;

/** A secret for each purpose; the target is reached by the PostgreSQL protocol through a proxy in a VPC. */
export const PROD_PLAN = `
name: shop
environment: prod
legacy: { driver: rds-data, clusterArn: "${clusterArn('legacy')}", database: shop, roles: ${roles('legacy')} }
target: { driver: pg, host: target.example.com, database: shop, clusterIdentifier: target, roles: ${roles('target')} }
network: { vpcId: vpc-0123456789abcdef0, subnetIds: [subnet-0123456789abcdef0, subnet-0123456789abcdef1], securityGroupIds: [sg-0123456789abcdef0], rdsProxy: true }
applicationRoles: [shop_app]
tenants: { column: tenant_id }
tables:
  orders: { updatedAtColumn: updated_at }
alarms: { topicArn: "arn:aws:sns:${REGION}:${ACCOUNT}:oncall" }
`;

export interface Deployment {
  readonly app: App;
  readonly plan: Plan;
  readonly state: Template;
  readonly control: Template;
  readonly stacks: { readonly state: Stack; readonly control: Stack };
}

const deployments = new Map<string, Deployment>();
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Templates are read only, and take a second to make: one is made for each plan and context of a test file. */
export function deploy(planText: string, context: Readonly<Record<string, unknown>> = {}): Deployment {
  const key = JSON.stringify([planText, context]);
  const deployment = deployments.get(key) ?? synthesise(planText, context);
  deployments.set(key, deployment);
  return deployment;
}

function synthesise(planText: string, context: Readonly<Record<string, unknown>>): Deployment {
  const plan = loadPlan(planText, 'plan.yaml');
  const outdir = mkdtempSync(join(tmpdir(), 'crossfade-synth-'));
  folders.push(outdir);
  const app = new App({ outdir, context: { ...cdkContext(), 'aws:cdk:bundling-stacks': [], ...context } });
  const stacks = addCrossfade(app, { plan, handlers: 'lambdas', env: { account: ACCOUNT, region: REGION } });
  return { app, plan, stacks, state: Template.fromStack(stacks.state), control: Template.fromStack(stacks.control) };
}

function cdkContext(): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')).context;
}

/** The CDK app: `npm run cdk -- deploy --all -c plan=path/to/plan.yaml`, or the path in CROSSFADE_PLAN_FILE. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { App } from 'aws-cdk-lib';
import { addCrossfade } from '../lib/infra/crossfade-app.ts';
import { loadPlan, PlanError } from '../lib/plan/load.ts';

try {
  const app = new App();
  const file: unknown = app.node.tryGetContext('plan') ?? process.env.CROSSFADE_PLAN_FILE;
  if (typeof file !== 'string')
    throw new Error('no plan: give one by -c plan=path/to/plan.yaml or in CROSSFADE_PLAN_FILE');
  addCrossfade(app, {
    plan: loadPlan(readFileSync(resolve(file), 'utf8'), file),
    handlers: resolve(import.meta.dirname, '../lambdas'),
    env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
  });
  app.synth();
} catch (error) {
  // A wrong plan is the operator's to correct: its message says where, and a stack of calls would hide it.
  console.error(error instanceof PlanError ? error.message : error);
  process.exitCode = 1;
}

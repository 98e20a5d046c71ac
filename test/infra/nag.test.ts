import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { afterEach, describe, expect, it } from 'vitest';
import { addCrossfade } from '../../lib/infra/crossfade-app.ts';
import { ExampleAuroraStack } from '../../lib/infra/stacks/example-aurora-stack.ts';
import { loadPlan } from '../../lib/plan/load.ts';
import { DEV_PLAN, PROD_PLAN } from './deployment.ts';

const CONTEXT = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')).context;
const EMULATOR =
  '{"compositeAlarms":false,"rdsProxy":false,"batchedDistributedMap":false,"arm64":false,"tls":false,"bootstrapRoles":false}';
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe('cdk-nag', () => {
  it.each([
    ['a dev plan', DEV_PLAN, {}],
    ['a prod plan in a VPC with a proxy', PROD_PLAN, {}],
    ['a dev plan on the emulator', DEV_PLAN, { capabilities: EMULATOR }],
  ])('has no finding without an argument in %s', (_, plan, context) => {
    const app = anApp(context);

    addCrossfade(app, {
      plan: loadPlan(plan, 'plan.yaml'),
      handlers: 'lambdas',
      env: { account: '000000000000', region: 'eu-central-1' },
    });

    expect(findings(app)).toEqual([]);
  });

  it('has no finding without an argument in the example', () => {
    const app = anApp({});

    new ExampleAuroraStack(app, 'example');
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));

    expect(findings(app)).toEqual([]);
  });

  it('would find a bucket that nobody argued for', () => {
    const app = anApp({});
    const { state } = addCrossfade(app, { plan: loadPlan(DEV_PLAN, 'plan.yaml'), handlers: 'lambdas' });

    state.bucket.node.tryFindChild('Policy')?.node.tryRemoveChild('Resource');

    expect(findings(app)).toContain('AwsSolutions::AwsSolutions-S10');
  });
});

function anApp(context: Readonly<Record<string, unknown>>): App {
  const outdir = mkdtempSync(join(tmpdir(), 'crossfade-nag-'));
  folders.push(outdir);
  return new App({ outdir, context: { ...CONTEXT, 'aws:cdk:bundling-stacks': [], ...context } });
}

/** The rules that were broken; CDK ends the synthesis with a report of them. */
function findings(app: App): string[] {
  const exitCode = process.exitCode;
  try {
    app.synth();
    return [];
  } catch (error) {
    return [...String(error).matchAll(/Acknowledge with '(?<rule>[^']+)'/g)].map((match) => match.groups?.rule ?? '');
  } finally {
    // CDK marks the process as failed for a finding; the test runner is not what failed.
    process.exitCode = exitCode;
  }
}

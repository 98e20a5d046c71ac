/** The same `cdk deploy` as on AWS, into the local endpoint. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { EMULATOR_CAPABILITIES } from '../infra/capabilities.ts';
import {
  type AwsCredentials,
  CHECKOUT,
  LOCAL_ACCOUNT,
  LOCAL_REGION,
  localEnvironment,
  NODE_FOLDER,
} from './checkout.ts';

export interface DeployOptions {
  /** Holds the cloud assembly and the logs. */
  readonly folder: string;
  readonly endpoint: string;
  readonly credentials: AwsCredentials;
  readonly progress: (line: string) => void;
  /** Ends a running cdk when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

const TOOLKIT_STACK = 'CDKToolkit';
/** `name | 12/34 | 10:00:00 | CREATE_COMPLETE | AWS::SQS::Queue | …` */
const EVENT = /^(\S+) \| +(\d+)\/(\d+) \|/;

/** `cdk bootstrap`, when the endpoint has not been bootstrapped. @throws {Error} with the last error line of cdk. */
export async function bootstrapEndpoint(options: DeployOptions): Promise<void> {
  const client = new CloudFormationClient({
    endpoint: options.endpoint,
    region: LOCAL_REGION,
    credentials: options.credentials,
  });
  const isThere = await client.send(new DescribeStacksCommand({ StackName: TOOLKIT_STACK })).then(
    () => true,
    () => false,
  );
  client.destroy();
  if (isThere) return;
  options.progress('cdk bootstrap');
  mkdirSync(options.folder, { recursive: true });
  // Not in the checkout: there cdk would run the app, which asks for a plan.
  await runCdk(['bootstrap', `aws://${LOCAL_ACCOUNT}/${LOCAL_REGION}`], 'cdk-bootstrap', options.folder, options);
}

export interface DeployPlanOptions extends DeployOptions {
  /** A plan whose stores the deployed functions can reach. */
  readonly planFile: string;
  /** Variables for every function, e.g. where the Data API answers. */
  readonly functionVariables: Readonly<Record<string, string>>;
}

/** `cdk deploy --all` of the plan. @throws {Error} with the last error line of cdk. */
export async function deployPlan(options: DeployPlanOptions): Promise<void> {
  options.progress('cdk deploy');
  const context = {
    plan: options.planFile,
    lambdaEnvironment: JSON.stringify(options.functionVariables),
    capabilities: JSON.stringify(EMULATOR_CAPABILITIES),
  };
  const args = [
    'deploy',
    '--all',
    '--require-approval',
    'never',
    ...Object.entries(context).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
  ];
  await runCdk([...args, '--progress', 'events'], 'cdk-deploy', CHECKOUT, options);
}

/** Progress is reported in so many steps a stack. */
const STEPS = 4;

async function runCdk(args: readonly string[], name: string, cwd: string, options: DeployOptions): Promise<void> {
  mkdirSync(options.folder, { recursive: true });
  const logFile = join(options.folder, `${name}.log`);
  const log = createWriteStream(logFile);
  const child = spawn(
    join(NODE_FOLDER, 'node'),
    [
      join(CHECKOUT, 'node_modules/aws-cdk/bin/cdk'),
      ...args,
      ...['--output', join(options.folder, 'cdk.out'), '--ci', '--no-notices', '--no-version-reporting'],
    ],
    {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...localEnvironment(options.endpoint, options.credentials),
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        NO_COLOR: '1',
        FORCE_COLOR: '0',
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
  const lines: string[] = [];
  let reported = '';
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`);
      lines.push(line);
      const [, stack, done, all] = EVENT.exec(line) ?? [];
      const step = `${stack} ${Math.floor((STEPS * Number(done)) / Number(all))}`;
      if (stack !== undefined && step !== reported) options.progress(`${stack}: ${done} of ${all} resources`);
      reported = step;
    });
  }
  const code = await exitOf(child);
  log.end();
  if (code === 0) return;
  if (options.signal?.aborted) throw new Error(`${name.replace('-', ' ')} was interrupted`);
  const reason = lines.find((line) => /✘|❌|Error:|_FAILED|: fail: /.test(line)) ?? lines.at(-1) ?? `exit code ${code}`;
  throw new Error(`${name.replace('-', ' ')} failed: ${reason.trim()} (all of it: ${logFile})`);
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => (error.name === 'AbortError' ? undefined : reject(error)));
    child.once('close', (code) => resolve(code ?? 1));
  });
}

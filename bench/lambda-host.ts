/**
 * The deployed form: the bundle of a handler as a Lambda function of the AWS emulator, which reaches the stores through the Data
 * API front, and the control table and the bucket through the emulator. Schedules and state machines are not there: it is invoked by hand.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { buildSync } from 'esbuild';
import { createDynamoDocuments } from '../lib/adapters/dynamodb/documents.ts';
import { createS3Client, createS3Objects } from '../lib/adapters/s3/objects.ts';
import { ENV } from '../lib/contracts/env-names.ts';
import { CHECKOUT, LOCAL_ACCOUNT, LOCAL_REGION, PYTHON } from '../lib/local/checkout.ts';
import { startEmulator } from '../lib/local/emulator.ts';
import { freePort } from '../lib/local/ports.ts';
import type { Plan } from '../lib/plan/plan.ts';
import type { DocumentStore } from '../lib/ports/documents.ts';
import type { ObjectStore } from '../lib/ports/objects.ts';
import type { Front } from './data-api-front.ts';

export interface LambdaHost {
  /** The control table of the functions. */
  readonly documents: DocumentStore;
  /** The bucket of the functions. */
  readonly objects: ObjectStore;
  /** A name of its own: a warm container of the function before would still have that one's plan. */
  deploy(plan: Plan): Promise<BenchFunction>;
  stop(): Promise<void>;
}

export interface BenchFunction {
  /** What the function answered. @throws {Error} with what it failed by. */
  call<Answer>(event: unknown): Promise<Answer>;
  /** Does not wait for it. */
  start(event: unknown): Promise<void>;
  remove(): Promise<void>;
}

const TABLE = 'bench-control';
const BUCKET = 'bench';
/** MB; as the deployed functions'. */
const MEMORY = 1024;
const ANSWER_SHOWN = 300;

/**
 * @param handler a folder of lambdas/.
 * @throws {Error} one line, when the emulator is not installed or does not start.
 */
export async function startLambdaHost(front: Front, handler: string): Promise<LambdaHost> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-bench-lambda-'));
  // Policies are not what is measured, and there are none here.
  const emulator = await startEmulator({ folder, port: await freePort(), environment: { AUTH: 'false' } });
  const client = { endpoint: emulator.url, region: LOCAL_REGION, credentials: emulator.credentials };
  const dynamo = new DynamoDBClient(client);
  const lambda = new LambdaClient({ ...client, maxAttempts: 1 });
  const s3 = createS3Client(client);
  const stop = async () => {
    lambda.destroy();
    dynamo.destroy();
    s3.destroy();
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await createControlTable(dynamo);
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const code = join(folder, 'code');
    bundle(handler, code);
    return {
      stop,
      documents: createDynamoDocuments(dynamo, TABLE),
      objects: createS3Objects(s3, BUCKET),
      deploy: async (plan) => {
        const name = `bench-${handler}-${randomBytes(4).toString('hex')}`;
        await createFunction(lambda, name, front, { handler, code, plan });
        return functionOf(lambda, name);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function functionOf(lambda: LambdaClient, FunctionName: string): BenchFunction {
  const invoke = async (InvocationType: 'Event' | 'RequestResponse', event: unknown) => {
    const input = { FunctionName, InvocationType, Payload: JSON.stringify(event) };
    const { FunctionError, Payload } = await lambda.send(new InvokeCommand(input));
    const answer = Buffer.from(Payload ?? []).toString();
    if (FunctionError !== undefined)
      throw new Error(`function ${FunctionName} failed: ${answer.slice(0, ANSWER_SHOWN)}`);
    return answer;
  };
  return {
    // The shape is the caller's claim about the handler that it named.
    call: async <Answer>(event: unknown) => JSON.parse(await invoke('RequestResponse', event)) as Answer,
    start: async (event) => {
      await invoke('Event', event);
    },
    remove: async () => {
      await lambda.send(new DeleteFunctionCommand({ FunctionName }));
    },
  };
}

async function createControlTable(client: DynamoDBClient): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
}

/** As lib/infra/constructs/code-bundle.ts does it, for one handler. */
function bundle(handler: string, folder: string): void {
  buildSync({
    entryPoints: [{ in: join(CHECKOUT, `lambdas/${handler}/handler.ts`), out: handler }],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    banner: {
      js: "import{createRequire as crossfadeRequire}from'node:module';const require=crossfadeRequire(import.meta.url);",
    },
    external: ['pg-native'],
    logLevel: 'warning',
  });
}

async function createFunction(
  lambda: LambdaClient,
  FunctionName: string,
  front: Front,
  { handler, code, plan }: { readonly handler: string; readonly code: string; readonly plan: Plan },
): Promise<void> {
  writeFileSync(join(code, 'plan.json'), JSON.stringify(plan));
  const archive = `${code}.zip`;
  rmSync(archive, { force: true });
  execFileSync(PYTHON, ['-m', 'zipfile', '-c', archive, `${handler}.mjs`, 'plan.json'], { cwd: code });
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: 'nodejs24.x',
      Handler: `${handler}.handler`,
      Role: `arn:aws:iam::${LOCAL_ACCOUNT}:role/bench`,
      Code: { ZipFile: readFileSync(archive) },
      MemorySize: MEMORY,
      Timeout: 900,
      Environment: {
        Variables: {
          AWS_ENDPOINT_URL_RDS_DATA: front.url,
          [ENV.controlTable]: TABLE,
          [ENV.bucket]: BUCKET,
        },
      },
    }),
  );
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20 }, { FunctionName });
}

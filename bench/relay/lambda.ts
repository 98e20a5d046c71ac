/**
 * The deployed form of the relay: the bundle of its handler as a Lambda function of the AWS emulator, which reaches the stores
 * through the Data API front and its control table through the emulator. Only the schedule is missing: it is invoked by hand.
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
import { buildSync } from 'esbuild';
import { ENV } from '../../lib/contracts/env-names.ts';
import { CHECKOUT, LOCAL_ACCOUNT, LOCAL_REGION, PYTHON } from '../../lib/local/checkout.ts';
import { startEmulator } from '../../lib/local/emulator.ts';
import { freePort } from '../../lib/local/ports.ts';
import type { Plan } from '../../lib/plan/plan.ts';
import { type Drained, stopwatch, type Variant } from '../measure.ts';
import { withClient } from '../servers.ts';
import type { Front } from './data-api-front.ts';
import { checkDelivered } from './engine.ts';
import { benchDeps, type EngineCopy, type EngineStores, openAs, type RelaySettings } from './engine-stores.ts';

export interface LambdaService {
  variant(stores: EngineStores, settings: RelaySettings): Variant;
  stop(): Promise<void>;
}

const TABLE = 'bench-control';
/** MB; as the deployed relay's. */
const MEMORY = 1024;
const LOOK_EVERY_MS = 50;
const LIMIT_MS = 120_000;

/** @throws {Error} one line, when the emulator is not installed or does not start. */
export async function startLambda(front: Front): Promise<LambdaService> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-bench-lambda-'));
  // Policies are not what is measured, and there are none here.
  const emulator = await startEmulator({ folder, port: await freePort(), environment: { AUTH: 'false' } });
  const client = { endpoint: emulator.url, region: LOCAL_REGION, credentials: emulator.credentials };
  const lambda = new LambdaClient({ ...client, maxAttempts: 1 });
  const stop = async () => {
    lambda.destroy();
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await createControlTable(new DynamoDBClient(client));
    const code = join(folder, 'code');
    bundle(code);
    return { stop, variant: (stores, settings) => variantOf(lambda, front, code, stores, settings) };
  } catch (error) {
    await stop();
    throw error;
  }
}

function variantOf(
  lambda: LambdaClient,
  front: Front,
  code: string,
  stores: EngineStores,
  settings: RelaySettings,
): Variant {
  const { shards, batchRows } = settings;
  return {
    id: 'lambda',
    title: `engine in Lambda (emulator), Data API front, ${shards} shards, batch ${batchRows}`,
    run: async () => {
      const copy = await stores.copy();
      const { plan } = benchDeps(openAs(copy.urls, stores.roles), settings);
      // A name of its own: a warm container of the run before would still have that run's plan.
      const name = `bench-relay-${randomBytes(4).toString('hex')}`;
      await createFunction(lambda, name, front, code, { ...plan, ...front.sections(copy.urls, stores.roles) });
      try {
        // Has nothing to do in this direction: it opens the container, which a deployed relay has had open for hours.
        await invoke(lambda, name, 'RequestResponse', 'reverse');
        const drained = await drain(lambda, name, copy, stores.events);
        await checkDelivered(copy.urls, stores.events);
        return drained;
      } finally {
        // Ends the run that is under way: authority lies elsewhere now.
        await withClient(copy.urls.target, (target) =>
          target.query(`UPDATE crossfade.control SET direction = 'reverse'`),
        );
        await withClient(copy.urls.legacy, (legacy) =>
          legacy.query(`UPDATE crossfade.control SET direction = 'reverse'`),
        );
        await lambda.send(new DeleteFunctionCommand({ FunctionName: name }));
        await copy.drop();
      }
    },
  };
}

async function drain(lambda: LambdaClient, name: string, copy: EngineCopy, events: number): Promise<Drained> {
  return withClient(copy.urls.legacy, async (legacy) => {
    const read = stopwatch();
    await invoke(lambda, name, 'Event', 'forward');
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const { rows } = await legacy.query(`SELECT FROM crossfade.outbox WHERE state = 'pending' LIMIT 1`);
      // The CPU is of another process.
      if (rows.length === 0) return { ...read(events), nodeCpuMs: undefined };
      if (Date.now() > deadline) throw new Error(`not drained in ${LIMIT_MS / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  });
}

async function invoke(
  lambda: LambdaClient,
  FunctionName: string,
  InvocationType: 'Event' | 'RequestResponse',
  direction: 'forward' | 'reverse',
): Promise<void> {
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({ FunctionName, InvocationType, Payload: JSON.stringify({ direction }) }),
  );
  if (FunctionError !== undefined)
    throw new Error(
      `the relay function failed: ${Buffer.from(Payload ?? [])
        .toString()
        .slice(0, 300)}`,
    );
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
  client.destroy();
}

/** As lib/infra/constructs/code-bundle.ts does it, for one handler. */
function bundle(folder: string): void {
  buildSync({
    entryPoints: [{ in: join(CHECKOUT, 'lambdas/relay/handler.ts'), out: 'relay' }],
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
  code: string,
  plan: Plan,
): Promise<void> {
  writeFileSync(join(code, 'plan.json'), JSON.stringify(plan));
  const archive = `${code}.zip`;
  rmSync(archive, { force: true });
  execFileSync(PYTHON, ['-m', 'zipfile', '-c', archive, 'relay.mjs', 'plan.json'], { cwd: code });
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: 'nodejs24.x',
      Handler: 'relay.handler',
      Role: `arn:aws:iam::${LOCAL_ACCOUNT}:role/bench`,
      Code: { ZipFile: readFileSync(archive) },
      MemorySize: MEMORY,
      Timeout: 900,
      Environment: { Variables: { AWS_ENDPOINT_URL_RDS_DATA: front.url, [ENV.controlTable]: TABLE } },
    }),
  );
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20 }, { FunctionName });
}

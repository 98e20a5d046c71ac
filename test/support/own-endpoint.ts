/** An AWS emulator that somebody started by hand: MiniStack's own program, signatures checked. Crossfade only gets AWS_ENDPOINT_URL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { vi } from 'vitest';
import { CROSSFADE_FOLDER, LOCAL_REGION, NODE_FOLDER } from '../../lib/local/checkout.ts';
import { isHealthy, OWN_ENDPOINT_VARIABLE } from '../../lib/local/emulator.ts';
import { freePort } from '../../lib/local/ports.ts';
import { endTree, isAlive } from '../../lib/local/processes.ts';
import { spawnService } from '../../lib/local/spawn-service.ts';

export interface OwnEndpoint {
  readonly url: string;
  isRunning(): boolean;
  /** What of Crossfade each service still lists, by the service's name. */
  findCrossfade(): Promise<Readonly<Record<string, boolean>>>;
  stop(): Promise<void>;
}

/** Its address stands in the variable until the test file ends; credentials are those that such endpoints take by convention. */
export async function startOwnEndpoint(): Promise<OwnEndpoint> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-own-endpoint-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = spawnService({
    command: join(CROSSFADE_FOLDER, 'venv/bin/ministack'),
    args: [],
    environment: {
      PATH: [NODE_FOLDER, process.env.PATH].join(delimiter),
      AUTH: 'true',
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      MINISTACK_HOST: '127.0.0.1',
      TMPDIR: folder,
    },
    folder,
    logFile: join(folder, 'log'),
    lifetime: 'attached',
  });
  const deadline = Date.now() + 60_000;
  while (!(await isHealthy(url))) {
    if (service.hasEnded() || Date.now() > deadline) throw new Error(`MiniStack did not start (log: ${folder}/log)`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  vi.stubEnv('AWS_ENDPOINT_URL', url);
  for (const unwanted of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', OWN_ENDPOINT_VARIABLE])
    vi.stubEnv(unwanted, undefined);
  return {
    url,
    isRunning: () => isAlive(service.identity),
    findCrossfade: () => findCrossfade(url),
    stop: async () => {
      vi.unstubAllEnvs();
      await endTree(service.identity, 'SIGTERM', 5_000);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface ListCall {
  readonly service: string;
  /** Operation of a JSON protocol. */
  readonly target?: string;
  readonly path?: string;
  readonly form?: Readonly<Record<string, string>>;
}

/** Plain calls: not every service listed here has a client among the project's packages. */
const LISTS: Readonly<Record<string, ListCall>> = {
  stacks: { service: 'cloudformation', form: { Action: 'DescribeStacks', Version: '2010-05-15' } },
  tables: { service: 'dynamodb', target: 'DynamoDB_20120810.ListTables' },
  buckets: { service: 's3', path: '/' },
  queues: { service: 'sqs', target: 'AmazonSQS.ListQueues' },
  functions: { service: 'lambda', path: '/2015-03-31/functions' },
  machines: { service: 'states', target: 'AWSStepFunctions.ListStateMachines' },
  'log groups': { service: 'logs', target: 'Logs_20140328.DescribeLogGroups' },
  'flag applications': { service: 'appconfig', path: '/applications' },
  schedules: { service: 'scheduler', path: '/schedules' },
  alarms: { service: 'monitoring', form: { Action: 'DescribeAlarms', Version: '2010-08-01' } },
  roles: { service: 'iam', form: { Action: 'ListRoles', Version: '2010-05-08' } },
  APIs: { service: 'apigateway', path: '/v2/apis' },
};

async function findCrossfade(url: string): Promise<Readonly<Record<string, boolean>>> {
  const found = await Promise.all(
    Object.entries(LISTS).map(async ([name, { service, target, path, form }]) => {
      const response = await fetch(`${url}${path ?? '/'}`, {
        method: path === undefined ? 'POST' : 'GET',
        headers: {
          // The account's root, whose signatures MiniStack does not check.
          authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${LOCAL_REGION}/${service}/aws4_request, SignedHeaders=host, Signature=unchecked`,
          ...(target === undefined ? {} : { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': target }),
        },
        ...(target === undefined ? {} : { body: '{}' }),
        ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`listing ${name}: HTTP ${response.status} ${text.slice(0, 200)}`);
      return [name, text.includes('crossfade-')] as const;
    }),
  );
  return Object.fromEntries(found);
}

/**
 * The AWS endpoint of a rehearsal: MiniStack in a virtual environment with signatures checked, or the LocalStack-compatible endpoint
 * that AWS_ENDPOINT_URL names.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AwsCredentials, CHECKOUT, LOCAL_REGION, localEnvironment, PYTHON } from './checkout.ts';
import { createOperator, ROOT_CREDENTIALS } from './emulator-operator.ts';
import { isPortTaken } from './ports.ts';
import { endTree, type ProcessIdentity } from './processes.ts';
import { type Lifetime, spawnService } from './spawn-service.ts';

export interface EmulatorOptions {
  /** Holds its log and its temporary files. */
  readonly folder: string;
  readonly port: number;
  readonly lifetime?: Lifetime | undefined;
  /** More variables, e.g. `SFN_WAIT_SCALE`. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

export interface Emulator {
  readonly url: string;
  /** Of a user whose signatures are checked. */
  readonly credentials: AwsCredentials;
  /** Undefined for an endpoint that somebody else started. */
  readonly identity: ProcessIdentity | undefined;
  readonly logFile: string | undefined;
  /** Ends it with the workers of its functions; nothing for an endpoint of somebody else. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const GRACE_MS = 5_000;
/** The first is MiniStack's; the second is what LocalStack and its relatives answer. */
const HEALTH_PATHS = ['/_ministack/health', '/_localstack/health'];

/** @throws {Error} one line: not installed, a taken port, or the last line of its log. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  if (!existsSync(PYTHON))
    throw new Error(
      `the AWS emulator is not installed (${PYTHON} is missing); start through npm, e.g. npm run local -- up`,
    );
  if (await isPortTaken(options.port)) {
    throw new Error(
      `port ${options.port} is taken, so the AWS emulator cannot listen there; stop what uses it or choose another port`,
    );
  }
  const temporary = join(options.folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  // Functions run from there as CommonJS, which the nearest package.json, the checkout's, would deny them.
  writeFileSync(join(temporary, 'package.json'), '{}\n');
  const url = `http://127.0.0.1:${options.port}`;
  const logFile = join(options.folder, 'emulator.log');
  const { AWS_ENDPOINT_URL: _, ...environment } = localEnvironment(url, ROOT_CREDENTIALS);
  const service = spawnService({
    command: PYTHON,
    args: [join(CHECKOUT, 'lib/local/emulator.py')],
    environment: {
      ...environment,
      AUTH: 'true',
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(options.port),
      MINISTACK_HOST: '127.0.0.1',
      MINISTACK_REGION: LOCAL_REGION,
      PYTHONUNBUFFERED: '1',
      TMPDIR: temporary,
      ...options.environment,
    },
    folder: options.folder,
    logFile,
    lifetime: options.lifetime ?? 'attached',
  });
  const stop = () => endTree(service.identity, 'SIGTERM', GRACE_MS);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isHealthy(url))) {
    if (service.hasEnded() || Date.now() > deadline) {
      await stop();
      throw new Error(
        `the AWS emulator did not start: ${readFileSync(logFile, 'utf8').trim().split('\n').at(-1)} (log: ${logFile})`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  try {
    return { url, credentials: await createOperator(url), identity: service.identity, logFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Names the endpoint of a rehearsal in its variables.sh. Where AWS_ENDPOINT_URL is the same, the shell has only read that file: it
 * is no endpoint of the caller's own, and may be gone.
 */
export const OWN_ENDPOINT_VARIABLE = 'CROSSFADE_LOCAL_ENDPOINT';

/** The endpoint that the caller wants instead of an emulator of ours. */
export function givenEndpoint(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const url = environment.AWS_ENDPOINT_URL;
  return url === '' || url === environment[OWN_ENDPOINT_VARIABLE] ? undefined : url;
}

/** With the caller's credentials, or those that such endpoints take by convention. @throws {Error} when nothing answers there. */
export async function useEndpoint(url: string): Promise<Emulator> {
  if (!(await isHealthy(url)))
    throw new Error(`AWS_ENDPOINT_URL is ${url}, but no emulator answers there; start it, or unset the variable`);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  const credentials =
    accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey } : ROOT_CREDENTIALS;
  return { url, credentials, identity: undefined, logFile: undefined, stop: async () => {} };
}

export async function isHealthy(url: string): Promise<boolean> {
  for (const path of HEALTH_PATHS) {
    try {
      const response = await fetch(`${url.replace(/\/$/, '')}${path}`, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      if (response.ok) return true;
    } catch {
      return false;
    }
  }
  return false;
}

/** Where things lie in the checkout; everything that a rehearsal makes is under its ignored folder. */
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const CROSSFADE_FOLDER = join(CHECKOUT, '.crossfade');

/** Python of the virtual environment that bin/bootstrap.js made. */
export const PYTHON = join(CROSSFADE_FOLDER, 'venv/bin/python');

/** Node 24 of the `node` package: Lambdas, the CDK app and the CLI run on it wherever npm itself runs on an older one. */
export const NODE_FOLDER = join(CHECKOUT, 'node_modules/node/bin');

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export const LOCAL_REGION = 'us-east-1';
export const LOCAL_ACCOUNT = '000000000000';

/** Environment of whatever talks to the local endpoint: the caller's own AWS settings, real accounts among them, are kept out. */
export function localEnvironment(endpoint: string, credentials: AwsCredentials): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_') || name === 'AWS_CA_BUNDLE');
  return {
    ...Object.fromEntries(kept),
    PATH: [NODE_FOLDER, process.env.PATH].join(delimiter),
    ...localAwsVariables(endpoint, credentials),
  };
}

/** The variables that make the AWS CLI, the SDK and Crossfade's own CLI use the local endpoint. */
export function localAwsVariables(endpoint: string, credentials: AwsCredentials): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: LOCAL_REGION,
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

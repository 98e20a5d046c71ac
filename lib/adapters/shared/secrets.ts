/** Credentials of database roles from Secrets Manager. Nothing of a secret is ever in a message. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SqlError } from '../../ports/sql.ts';

/** As RDS writes its secrets; only the first two are always there. */
export interface DatabaseSecret {
  readonly username: string;
  readonly password: string;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly database?: string | undefined;
}

export type ReadSecret = (secretArn: string) => Promise<DatabaseSecret>;

export function createSecretReader(client: SecretsManagerClient = new SecretsManagerClient({})): ReadSecret {
  return async (secretArn) => parseSecret(secretArn, await fetchSecret(client, secretArn));
}

async function fetchSecret(client: SecretsManagerClient, secretArn: string): Promise<string> {
  try {
    return (await client.send(new GetSecretValueCommand({ SecretId: secretArn }))).SecretString ?? '';
  } catch (error) {
    const { name, $metadata } = error as Error & { readonly $metadata?: { readonly httpStatusCode?: number } };
    const refused = ($metadata?.httpStatusCode ?? 500) < 500 && name !== 'ThrottlingException';
    throw new SqlError(
      `secret ${secretArn} cannot be read (${name}); check the ARN in the plan and the function's permissions`,
      {
        kind: refused ? 'configuration' : 'unavailable',
      },
    );
  }
}

function parseSecret(secretArn: string, text: string): DatabaseSecret {
  const fields = parseObject(text);
  const { username, password, host, port, dbname } = fields;
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw new SqlError(`secret ${secretArn} does not hold {"username": …, "password": …}`, { kind: 'configuration' });
  }
  return {
    username,
    password,
    host: typeof host === 'string' ? host : undefined,
    port: port === undefined ? undefined : Number(port),
    database: typeof dbname === 'string' ? dbname : undefined,
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    // Reported by the caller: a parser's message could repeat the secret.
    return {};
  }
}

/** Credentials of a call, from its secret, as the Data API reads them. */
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DataApiError } from './errors.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** @throws {DataApiError} SecretsErrorException when it cannot be read, InvalidSecretException when it holds no credentials. */
export type SecretResolver = (secretArn: string, options?: { readonly fresh?: boolean }) => Promise<Credentials>;

/** A rotated secret is seen within this time. */
const CACHE_MS = 5_000;

export function secretsManagerResolver(client: SecretsManagerClient, now: () => number = Date.now): SecretResolver {
  const cache = new Map<string, { readonly until: number; readonly credentials: Promise<Credentials> }>();
  return (secretArn, { fresh = false } = {}) => {
    const known = fresh ? undefined : cache.get(secretArn);
    if (known !== undefined && known.until > now()) return known.credentials;
    const credentials = fetchSecret(client, secretArn).then(parseCredentials);
    cache.set(secretArn, { until: now() + CACHE_MS, credentials });
    credentials.catch(() => cache.delete(secretArn));
    return credentials;
  };
}

/** @throws {DataApiError} InvalidSecretException; the text itself is never repeated. */
export function parseCredentials(text: string | undefined): Credentials {
  try {
    const { username, password } = JSON.parse(text ?? '') as Partial<Credentials>;
    if (typeof username === 'string' && typeof password === 'string') return { username, password };
  } catch {
    // Reported below: a parser's message could repeat the secret.
  }
  throw new DataApiError('InvalidSecretException', 'The secret does not hold a username and a password');
}

async function fetchSecret(client: SecretsManagerClient, secretArn: string): Promise<string | undefined> {
  try {
    return (await client.send(new GetSecretValueCommand({ SecretId: secretArn }))).SecretString;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataApiError('SecretsErrorException', `Error fetching secret ${secretArn}: ${reason}`);
  }
}

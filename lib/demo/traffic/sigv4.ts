/** Signature Version 4 of a GET without a body: what an application sends to a route with IAM authorisation. */
import { createHash, createHmac } from 'node:crypto';

export interface SigningInput {
  /** As it is sent, also where the connection goes to another name. */
  readonly host: string;
  /** Absolute, without query; its segments need no escaping. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly region: string;
  readonly service: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly now: Date;
}

/** @returns the path with its query, and the headers to send with it. */
export function signGet(input: SigningInput): {
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
} {
  const { host, path, region, service, credentials, now } = input;
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const query = canonicalQuery(input.query);
  const payloadHash = sha256('');
  const signedHeaders = 'host;x-amz-date';
  const request = ['GET', path, query, `host:${host}`, `x-amz-date:${time}`, '', signedHeaders, payloadHash].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(request)].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${credentials.secretAccessKey}`,
  );
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return {
    target: query === '' ? path : `${path}?${query}`,
    headers: {
      host,
      'x-amz-date': time,
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
    },
  };
}

/** Sorted by escaped name; escapes everything but letters, digits and `-._~`. */
function canonicalQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [escaped(name), escaped(value)] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&');
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The user that works in the emulator. MiniStack takes the key `test` for the account's root and does not check its signatures, so
 * a rehearsal uses a user of its own, whose signatures and sessions are checked.
 */
import type { AwsCredentials } from './checkout.ts';

/** What LocalStack-compatible endpoints take by convention. */
export const ROOT_CREDENTIALS: AwsCredentials = { accessKeyId: 'test', secretAccessKey: 'test' };

const USER = 'crossfade-operator';
const ADMINISTRATOR = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };

/** @throws {Error} when the emulator refuses. */
export async function createOperator(url: string): Promise<AwsCredentials> {
  await callIam(url, { Action: 'CreateUser', UserName: USER });
  await callIam(url, {
    Action: 'PutUserPolicy',
    UserName: USER,
    PolicyName: 'administrator',
    PolicyDocument: JSON.stringify(ADMINISTRATOR),
  });
  const answer = await callIam(url, { Action: 'CreateAccessKey', UserName: USER });
  const textOf = (element: string) => new RegExp(`<${element}>([^<]+)</${element}>`).exec(answer)?.[1] ?? '';
  return { accessKeyId: textOf('AccessKeyId'), secretAccessKey: textOf('SecretAccessKey') };
}

/** IAM's query protocol; three calls do not need the SDK's client. */
async function callIam(url: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `AWS4-HMAC-SHA256 Credential=${ROOT_CREDENTIALS.accessKeyId}/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=unchecked`,
    },
    body: new URLSearchParams({ ...parameters, Version: '2010-05-08' }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the AWS emulator refused IAM ${parameters.Action}: HTTP ${response.status}`);
  return text;
}

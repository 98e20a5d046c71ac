/** The caller's identity from STS: it needs no permission and cannot be chosen by the caller. */
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import type { Identity } from '../../ports/identity.ts';

export function createIdentity(client: STSClient = new STSClient({})): Identity {
  let asked: Promise<string> | undefined;
  return {
    whoAmI: () => {
      asked ??= client
        .send(new GetCallerIdentityCommand({}))
        .then((answer) => answer.Arn ?? `account ${answer.Account ?? 'unknown'}`);
      return asked;
    },
  };
}

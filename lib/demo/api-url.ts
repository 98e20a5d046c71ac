/** Where the deployed API answers: an output of the control stack, as an application's deployment would read it. */
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { OUTPUTS, stackNames } from '../contracts/outputs.ts';
import { LOCAL_REGION } from '../local/checkout.ts';
import type { LocalEnvironment } from '../local/environment.ts';

/** @throws {Error} when the stack has no such output. */
export async function readApiUrl({
  endpoint,
  credentials,
  plan,
}: Pick<LocalEnvironment, 'endpoint' | 'credentials' | 'plan'>): Promise<string> {
  const client = new CloudFormationClient({ endpoint, region: LOCAL_REGION, credentials });
  try {
    const stack = stackNames(plan.name).control;
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stack }));
    const url = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === OUTPUTS.apiUrl)?.OutputValue;
    if (url === undefined) throw new Error(`stack ${stack} has no output ${OUTPUTS.apiUrl}`);
    return url;
  } finally {
    client.destroy();
  }
}

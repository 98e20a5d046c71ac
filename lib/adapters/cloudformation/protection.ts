import { CloudFormationClient, UpdateTerminationProtectionCommand } from '@aws-sdk/client-cloudformation';
import type { StackProtection } from '../../ports/protection.ts';

/** @param stacks names of the stacks that are protected together. */
export function createStackProtection(
  stacks: readonly string[],
  client: CloudFormationClient = new CloudFormationClient({}),
): StackProtection {
  return {
    set: async (on) => {
      for (const StackName of stacks) {
        await client.send(new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection: on }));
      }
    },
  };
}

/** Finds a deployed system by its stacks' names and reads their outputs; the CLI knows nothing else about a deployment. */
import {
  CloudFormationClient,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
  paginateDescribeStacks,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import { OUTPUTS, stackNames } from '../../contracts/outputs.ts';
import type { DeployedResource, DeployedStack, DeployedSystem, OutputName, Systems } from '../../ports/system.ts';

const CONTROL_STACK = /^crossfade-(?<plan>.+)-control$/;
/** DescribeStacks by name never answers with these for a stack that can be used. */
const GONE = new Set(['DELETE_COMPLETE', 'REVIEW_IN_PROGRESS']);

export function createSystems(client: CloudFormationClient = new CloudFormationClient({})): Systems {
  return {
    list: async () => {
      const names = new Set<string>();
      for await (const page of paginateDescribeStacks({ client }, {})) {
        for (const stack of page.Stacks ?? []) {
          const plan = CONTROL_STACK.exec(stack.StackName ?? '')?.groups?.plan;
          if (plan !== undefined && isThere(stack)) names.add(plan);
        }
      }
      return [...names].sort();
    },
    find: async (plan) => {
      const names = stackNames(plan);
      const [state, control] = await Promise.all([
        describeStack(client, names.state),
        describeStack(client, names.control),
      ]);
      if (control === undefined) return undefined;
      const found = state === undefined ? [control] : [state, control];
      return { plan, stacks: found.map(toDeployed), outputs: readOutputs(found) };
    },
    resources: async (plan) => {
      const names = stackNames(plan);
      const lists = await Promise.all([names.state, names.control].map((name) => listResources(client, name)));
      return lists.flat();
    },
  };
}

async function describeStack(client: CloudFormationClient, name: string): Promise<Stack | undefined> {
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: name }));
    return Stacks.find(isThere);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function listResources(client: CloudFormationClient, stack: string): Promise<readonly DeployedResource[]> {
  try {
    const { StackResources = [] } = await client.send(new DescribeStackResourcesCommand({ StackName: stack }));
    return StackResources.map((resource) => ({
      stack,
      type: resource.ResourceType ?? 'unknown',
      id: resource.PhysicalResourceId ?? resource.LogicalResourceId ?? 'unknown',
      status: resource.ResourceStatus ?? 'unknown',
    }));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** CloudFormation has no own error for it: a ValidationError whose text says so. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && error.name === 'ValidationError' && error.message.includes('does not exist');
}

function isThere(stack: Stack): boolean {
  return stack.StackStatus !== undefined && !GONE.has(stack.StackStatus);
}

function toDeployed(stack: Stack): DeployedStack {
  return {
    name: stack.StackName ?? 'unknown',
    status: stack.StackStatus ?? 'unknown',
    terminationProtection: stack.EnableTerminationProtection === true,
  };
}

function readOutputs(stacks: readonly Stack[]): DeployedSystem['outputs'] {
  const values = new Map(
    stacks.flatMap((stack) => (stack.Outputs ?? []).map((output) => [output.OutputKey, output.OutputValue])),
  );
  const outputs: Partial<Record<OutputName, string>> = {};
  // Object.entries widens the keys that OUTPUTS declares.
  for (const [name, key] of Object.entries(OUTPUTS) as [OutputName, string][]) {
    const value = values.get(key);
    if (value !== undefined) outputs[name] = value;
  }
  return outputs;
}

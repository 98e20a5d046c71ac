/** Finding a deployed system by its stacks, and the caller's identity, against an emulator. */
import {
  CloudFormationClient,
  CreateStackCommand,
  UpdateTerminationProtectionCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import { STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSystems } from '../../lib/adapters/cloudformation/system.ts';
import { createIdentity } from '../../lib/adapters/sts/identity.ts';
import { OUTPUTS, stackNames } from '../../lib/contracts/outputs.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

let emulator: TestEmulator;
let client: CloudFormationClient;

beforeAll(async () => {
  emulator = await startTestEmulator();
  client = new CloudFormationClient(emulator.client);
  const { state, control } = stackNames('shop');
  await createStack(state, {});
  await createStack(control, { [OUTPUTS.controlTable]: 'crossfade-shop', Unknown: 'ignored' });
});

afterAll(async () => {
  client.destroy();
  await emulator.stop();
});

test('lists the plans that are deployed', async () => {
  expect(await createSystems(client).list()).toEqual(['shop']);
});

test('finds both stacks with their outputs and their protection', async () => {
  await client.send(
    new UpdateTerminationProtectionCommand({
      StackName: stackNames('shop').control,
      EnableTerminationProtection: true,
    }),
  );

  const system = await createSystems(client).find('shop');

  expect(system).toEqual({
    plan: 'shop',
    stacks: [
      { name: 'crossfade-shop-state', status: 'CREATE_COMPLETE', terminationProtection: false },
      { name: 'crossfade-shop-control', status: 'CREATE_COMPLETE', terminationProtection: true },
    ],
    outputs: { controlTable: 'crossfade-shop' },
  });
});

test('a plan that is not deployed is not found, and has no resources', async () => {
  const systems = createSystems(client);

  expect(await systems.find('other')).toBeUndefined();
  expect(await systems.resources('other')).toEqual([]);
});

test('lists the resources of both stacks', async () => {
  const resources = await createSystems(client).resources('shop');

  expect(resources.map(({ stack, type, status }) => [stack, type, status])).toEqual([
    ['crossfade-shop-state', 'AWS::SQS::Queue', 'CREATE_COMPLETE'],
    ['crossfade-shop-control', 'AWS::SQS::Queue', 'CREATE_COMPLETE'],
  ]);
});

test('knows who is asking', async () => {
  const sts = new STSClient(emulator.client);

  const arn = await createIdentity(sts).whoAmI();

  expect(arn).toMatch(/^arn:aws:iam::000000000000:user\/.+/);
  sts.destroy();
});

async function createStack(StackName: string, outputs: Readonly<Record<string, string>>): Promise<void> {
  const TemplateBody = JSON.stringify({
    Resources: { Queue: { Type: 'AWS::SQS::Queue' } },
    Outputs: Object.fromEntries(Object.entries(outputs).map(([key, Value]) => [key, { Value }])),
  });
  await client.send(new CreateStackCommand({ StackName, TemplateBody }));
  await waitUntilStackCreateComplete({ client, maxWaitTime: 30, minDelay: 1 }, { StackName });
}

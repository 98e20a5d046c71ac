import { expect, it } from 'vitest';
import { DEV_PLAN, type Deployment, deploy } from './deployment.ts';

it.each(['state', 'control'] as const)('the %s stack of a dev plan is as reviewed', async (stack) => {
  const deployment = deploy(DEV_PLAN);

  await expect(golden(deployment, stack)).toMatchFileSnapshot(`__snapshots__/${stack}.json`);
});

/** The template with what changes by the hour masked: hashes of assets and of the plan, definitions that have files of their own. */
function golden(deployment: Deployment, stack: 'state' | 'control'): string {
  const masked = JSON.stringify(deployment[stack].toJSON(), mask, 2);
  return `${masked.replaceAll(/[0-9a-f]{64}/g, '<hash>')}\n`;
}

function mask(key: string, value: unknown): unknown {
  return key === 'DefinitionString' ? '<state-machines/*.asl.json>' : value;
}

/** The functions of a deployed system: each is lambdas/<name>/handler.ts and is called `crossfade-<plan>-<name>`. */
import { MACHINES, type Machine } from '../domain/phase.ts';

export const OTHER_FUNCTIONS = ['relay', 'retry', 'controller', 'dry-run', 'data', 'routing'] as const;
export type OtherFunction = (typeof OTHER_FUNCTIONS)[number];

export type FunctionName = Machine | OtherFunction;
export const FUNCTIONS: readonly FunctionName[] = [...MACHINES, ...OTHER_FUNCTIONS];

/** Names of functions and machines alike: `crossfade-shop-relay`. */
export function resourceName(plan: string, name: string): string {
  return `crossfade-${plan}-${name}`;
}

/** The state machines as data: read from their files, numbers in place, flattened over the states of Distributed Maps. */
import { readFileSync } from 'node:fs';
import { MACHINES, type Machine } from '../../lib/domain/phase.ts';
import { readDefinition } from '../../lib/infra/constructs/machine.ts';

export interface Rule {
  readonly Condition: string;
  readonly Next: string;
  readonly Assign?: Readonly<Record<string, unknown>>;
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly Next: string;
  readonly Assign?: Readonly<Record<string, unknown>>;
}

export interface State {
  readonly Type: string;
  readonly Resource?: string;
  readonly Arguments?: { readonly Payload: Readonly<Record<string, unknown>> };
  readonly TimeoutSeconds?: number;
  readonly Retry?: readonly { readonly ErrorEquals: readonly string[] }[];
  readonly Catch?: readonly Catcher[];
  readonly Choices?: readonly Rule[];
  readonly Default?: string;
  readonly Next?: string;
  readonly End?: boolean;
  readonly ItemReader?: { readonly Resource: string; readonly Arguments: Readonly<Record<string, string>> };
  readonly ItemBatcher?: { readonly MaxItemsPerBatch: string; readonly BatchInput: Readonly<Record<string, string>> };
  readonly ResultWriter?: { readonly Resource: string };
  readonly MaxConcurrency?: number;
  readonly ToleratedFailurePercentage?: number;
  readonly ItemProcessor?: { readonly StartAt: string; readonly States: Readonly<Record<string, State>> };
}

export interface Definition {
  readonly Comment: string;
  readonly QueryLanguage: string;
  readonly StartAt: string;
  readonly TimeoutSeconds: number;
  readonly States: Readonly<Record<string, State>>;
}

/** Placeholders that CloudFormation fills; the others stand for numbers. */
const TEXTS = new Set(['Function', 'Bucket']);

export const DEFINITIONS: readonly (readonly [Machine, Definition])[] = MACHINES.map((machine) => [
  machine,
  define(machine),
]);

export function definitionOf(machine: Machine): Definition {
  return define(machine);
}

/** As deployed: what stands for a number in the file is one here. */
function define(machine: Machine): Definition {
  const text = readFileSync(new URL(`../../state-machines/${machine}.asl.json`, import.meta.url), 'utf8');
  const names = new Set([...text.matchAll(/\$\{(?<name>\w+)\}/g)].map((match) => match.groups?.name ?? ''));
  const numbers = [...names].filter((name) => text.includes(`"\${${name}}"`) && !TEXTS.has(name));
  return JSON.parse(
    readDefinition({
      machine,
      texts: Object.fromEntries([...names].filter((name) => TEXTS.has(name)).map((name) => [name, name])),
      numbers: Object.fromEntries(numbers.map((name) => [name, 7])),
      batchedDistributedMap: true,
    }),
  );
}

/** All states by name, those inside a Map too. */
export function statesOf({ States }: Pick<Definition, 'States'>): readonly (readonly [string, State])[] {
  return Object.entries(States).flatMap(([name, state]) => [
    [name, state] as const,
    ...(state.ItemProcessor === undefined ? [] : statesOf(state.ItemProcessor)),
  ]);
}

export function tasksOf(definition: Definition): readonly (readonly [string, State])[] {
  return statesOf(definition).filter(([, state]) => state.Type === 'Task');
}

/** Where a state can lead to. */
export function successors(state: State): readonly string[] {
  return [
    state.Next,
    state.Default,
    ...(state.Choices ?? []).map(({ Next }) => Next),
    ...(state.Catch ?? []).map(({ Next }) => Next),
  ].filter((name) => name !== undefined);
}

export function reachableFrom(start: string, states: Readonly<Record<string, State>>): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    const state = states[name];
    if (state === undefined || seen.has(name)) return;
    seen.add(name);
    successors(state).forEach(visit);
  };
  visit(start);
  return seen;
}

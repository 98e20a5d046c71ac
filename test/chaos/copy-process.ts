/**
 * One copy of history as a process of its own, so that it can be killed. Its documents are the parent's, asked for over IPC: what
 * it has remembered outlives it. Input: CHAOS, a JSON object { urls, roles, plan, data }. Says `copied` when the step is done.
 */
import { systemClock } from '../../lib/adapters/system-clock.ts';
import { copy } from '../../lib/application/backfill/copy.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import type { DocumentStore } from '../../lib/ports/documents.ts';
import type { Purpose } from '../../lib/ports/sql.ts';
import { memoryDeps, openAs, planText } from '../support/memory-deps.ts';
import { aRun } from '../support/run.ts';

export interface CopyInput {
  readonly urls: Readonly<Record<StoreName, string>>;
  readonly roles: Readonly<Record<Purpose, string>>;
  readonly plan: string;
  /** What plan-copy handed on. */
  readonly data: unknown;
}

export interface DocumentCall {
  readonly id: number;
  readonly method: keyof DocumentStore;
  readonly args: readonly unknown[];
}

export interface DocumentAnswer {
  readonly id: number;
  readonly value: unknown;
}

// The parent wrote it.
const input = JSON.parse(process.env.CHAOS ?? '{}') as CopyInput;
const waiting = new Map<number, (value: unknown) => void>();
let calls = 0;
process.on('message', ({ id, value }: DocumentAnswer) => {
  waiting.get(id)?.(value);
  waiting.delete(id);
});
const ask =
  (method: keyof DocumentStore) =>
  (...args: readonly unknown[]) =>
    new Promise((resolve) => {
      calls += 1;
      waiting.set(calls, resolve);
      process.send?.({ id: calls, method, args } satisfies DocumentCall);
    });
// Every method of the port is forwarded as it is; JSON drops what is undefined, which the callee takes for absent.
const documents = {
  get: ask('get'),
  put: ask('put'),
  list: ask('list'),
  add: ask('add'),
  remove: ask('remove'),
} as unknown as DocumentStore;

const plan = loadPlan(planText(input.plan), 'chaos.yaml');
const deps = { ...memoryDeps(plan, openAs(input.urls, input.roles), systemClock), documents };
for (;;) {
  const result = await copy(deps, aRun({ machine: 'backfill' }), input.data);
  if (!result.again) break;
}
process.send?.('copied', () => process.exit(0));

/** Opens the stores of a plan file from the operator's machine. Nothing of Crossfade in AWS is needed or told; what a cycle keeps is kept in memory. */
import { randomUUID } from 'node:crypto';
import { createMemoryDocuments } from '../adapters/memory/documents.ts';
import { createMemoryFlags } from '../adapters/memory/flags.ts';
import { createMemoryMetrics } from '../adapters/memory/metrics.ts';
import { createMemoryObjects } from '../adapters/memory/objects.ts';
import { createMemoryQueues } from '../adapters/memory/queues.ts';
import { createMemoryWorkflow } from '../adapters/memory/workflow.ts';
import type { Deps } from '../application/deps.ts';
import { OperatorError } from '../application/operate/operator.ts';
import { loadPlan, type Plan, planHash } from '../plan/plan.ts';
import type { Context } from './context.ts';
import { looksLikeFile } from './plan-file.ts';
import { createTerminalLog } from './terminal-log.ts';

interface Asked {
  readonly what: string;
  readonly command: string;
  /** Before a store is opened. */
  readonly check?: ((plan: Plan) => void) | undefined;
}

/** @throws {OperatorError} usage, without a plan file. @throws {PlanError} when it is faulty. */
export async function openHere(
  { terminal, clock, options, readFile }: Context,
  asked: Asked = { what: '--here compares', command: 'reconcile --here' },
): Promise<Deps> {
  const { plan: path } = options;
  if (path === undefined || !looksLikeFile(path))
    throw new OperatorError('usage', `${asked.what} from this machine and needs the plan file`, {
      next: `npx crossfade ${asked.command} --plan ./plan.yaml`,
    });
  const plan = loadPlan(await readFile(path), path);
  asked.check?.(plan);
  // Loaded here only: the AWS SDK comes with it.
  const { openDatabases } = await import('../adapters/databases.ts');
  return {
    plan,
    planHash: planHash(plan),
    databases: openDatabases(plan, { clock }),
    documents: createMemoryDocuments(),
    flags: createMemoryFlags(),
    queues: createMemoryQueues(),
    workflow: createMemoryWorkflow(clock),
    objects: createMemoryObjects(),
    metrics: createMemoryMetrics(),
    protection: { set: async () => undefined },
    clock,
    log: createTerminalLog(terminal, options.logLevel),
    wakeRelay: async () => undefined,
    newId: randomUUID,
  };
}

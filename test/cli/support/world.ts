/** The CLI over memory adapters: what it prints is kept, time is virtual, and nobody can reach AWS. */
import { readFile, writeFile } from 'node:fs/promises';
import pc from 'picocolors';
import { createVirtualClock, type VirtualClock } from '../../../lib/adapters/memory/clock.ts';
import { createMemoryDocuments } from '../../../lib/adapters/memory/documents.ts';
import { createMemoryFlags, type MemoryFlags } from '../../../lib/adapters/memory/flags.ts';
import { createMemoryObjects } from '../../../lib/adapters/memory/objects.ts';
import { createMemoryQueues, type MemoryQueues } from '../../../lib/adapters/memory/queues.ts';
import { createMemoryWorkflow, type MemoryWorkflow } from '../../../lib/adapters/memory/workflow.ts';
import type { Operator } from '../../../lib/application/operate/operator.ts';
import { main } from '../../../lib/cli/main.ts';
import { planNameOf } from '../../../lib/cli/plan-file.ts';
import type { Terminal } from '../../../lib/cli/terminal.ts';
import { OUTPUTS } from '../../../lib/contracts/outputs.ts';
import type { DocumentStore } from '../../../lib/ports/documents.ts';
import type { DeployedResource, DeployedSystem, OutputName } from '../../../lib/ports/system.ts';

export const ALICE = 'arn:aws:sts::123456789012:assumed-role/Operator/alice@example.org';
export const BOB = 'arn:aws:sts::123456789012:assumed-role/Operator/bob@example.org';

export interface TestWorld {
  readonly documents: DocumentStore;
  readonly flags: MemoryFlags;
  readonly queues: MemoryQueues;
  readonly workflow: MemoryWorkflow;
  readonly clock: VirtualClock;
  readonly operator: Operator;
  /** Who AWS says is asking. */
  identity: string;
  /** Lines of stdout and stderr since the last run. */
  stdout: string;
  stderr: string;
  /** Whether the last run asked for AWS at all. */
  connected: boolean;
  run(...args: string[]): Promise<number>;
  /** As `run`, with --json: the parsed payload. */
  json<Payload>(...args: string[]): Promise<{ exit: number; payload: Payload }>;
}

export interface WorldOptions {
  readonly environment?: 'dev' | 'prod';
  readonly terminationProtection?: boolean;
  readonly resources?: readonly DeployedResource[];
  readonly system?: 'deployed' | 'missing';
  /** Width of the page; 80 when it is not said. */
  readonly columns?: number;
  /** Answers to questions; given, somebody is at the terminal. */
  readonly answers?: readonly string[];
}

export function createWorld(options: WorldOptions = {}): TestWorld {
  const clock = createVirtualClock({ autoAdvance: true });
  const documents = createMemoryDocuments();
  const flags = createMemoryFlags();
  const queues = createMemoryQueues();
  const workflow = createMemoryWorkflow(clock);
  const answers = [...(options.answers ?? [])];
  const system = deployedSystem(options);
  const resources = options.resources ?? [
    { stack: 'crossfade-shop-control', type: 'AWS::Scheduler::Schedule', id: 'relay', status: 'CREATE_COMPLETE' },
  ];
  const isDeployed = options.system !== 'missing';
  const systems = {
    list: async () => (isDeployed ? ['shop'] : []),
    find: async (plan: string) => (isDeployed && plan === 'shop' ? system : undefined),
    resources: async () => resources,
  };
  const identity = { whoAmI: async () => world.identity };
  const command = (text: string) => `npx crossfade ${text}`;
  const objects = createMemoryObjects();
  const operator: Operator = { system, systems, documents, objects, flags, queues, workflow, identity, clock, command };
  const terminal: Terminal = {
    out: (text) => {
      world.stdout += `${text}\n`;
    },
    err: (text) => {
      world.stderr += `${text}\n`;
    },
    paint: { ...pc.createColors(false), columns: options.columns },
    isInteractive: false,
    isOutputWatched: false,
    canAsk: options.answers !== undefined,
    ask: async () => answers.shift() ?? '',
    clear: () => undefined,
  };
  const world: TestWorld = {
    documents,
    flags,
    queues,
    workflow,
    clock,
    operator,
    identity: ALICE,
    stdout: '',
    stderr: '',
    connected: false,
    run: (...args) => {
      world.stdout = '';
      world.stderr = '';
      world.connected = false;
      return main(args, {
        terminal,
        clock,
        environment: {},
        readFile: (path) => readFile(path, 'utf8'),
        writeFile: (path, text) => writeFile(path, text),
        interrupted: () => new AbortController().signal,
        connect: async ({ plan: given = 'shop' }) => {
          world.connected = true;
          const plan = await planNameOf({ readFile: (path) => readFile(path, 'utf8') }, given);
          return {
            plan,
            identity,
            systems,
            system: await systems.find(plan),
            command,
            open: async () => {
              const { requireWhole } = await import('../../../lib/cli/connect.ts');
              await requireWhole(plan, await systems.find(plan), systems);
              return operator;
            },
          };
        },
      });
    },
    json: async (...args) => {
      const exit = await world.run(...args, '--json');
      return { exit, payload: JSON.parse(world.stdout) };
    },
  };
  return world;
}

function deployedSystem({ environment = 'dev', terminationProtection = false }: WorldOptions): DeployedSystem {
  const names = Object.keys(OUTPUTS) as OutputName[];
  return {
    plan: 'shop',
    stacks: ['crossfade-shop-state', 'crossfade-shop-control'].map((name) => ({
      name,
      status: 'CREATE_COMPLETE',
      terminationProtection,
    })),
    outputs: { ...Object.fromEntries(names.map((name) => [name, `value-of-${name}`])), environment },
  };
}

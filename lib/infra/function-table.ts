/**
 * Memory, time and permissions of every function: one row each. A function may open a store only for the purposes in its row,
 * which decide the secrets that it may read (a test compares them with what its code opens).
 */
import type { FunctionName } from '../contracts/functions.ts';
import type { RolePurpose } from '../plan/plan.ts';

export type Ability =
  /** Reads the wish from AppConfig. */
  | 'read-flags'
  /** Publishes and deploys a new wish. */
  | 'publish-flags'
  /** Reads and writes lists of chunks, results, reports and archives. */
  | 'objects'
  /** Sends to the retry queues. */
  | 'send-retries'
  /** Takes from the retry queues. */
  | 'take-retries'
  /** Asks how full the queues are. */
  | 'queue-depths'
  /** Starts the relay now. */
  | 'wake-relay'
  /** Looks at other executions of the machines. */
  | 'describe-executions'
  /** Stops other executions of the machines. */
  | 'stop-executions'
  /** Turns the termination protection of the two stacks on and off. */
  | 'protect-stacks';

export interface FunctionRow {
  /** One line for the console. */
  readonly about: string;
  /** MB; processor time is in proportion (1769 MB: one processor). */
  readonly memory: number;
  /** Seconds; `run`: the plan's relay.runFor and some. */
  readonly timeout: number | 'run';
  readonly purposes: readonly RolePurpose[];
  readonly abilities: readonly Ability[];
}

/** Below the 330 s of TimeoutSeconds in the machines, so that a function that is too slow reports its own end. */
export const STEP_SECONDS = 300;

export const FUNCTION_TABLE: Readonly<Record<FunctionName, FunctionRow>> = {
  baseline: step(
    'phase 1: compares schemas, probes writes',
    ['install', 'apply', 'compare', 'relay'],
    ['protect-stacks'],
  ),
  'dual-write': step(
    'phase 2: installs capture, exposes tenants',
    ['install', 'relay', 'apply', 'backfill', 'compare', 'fence', 'read'],
    ['read-flags', 'publish-flags', 'queue-depths', 'wake-relay', 'protect-stacks'],
  ),
  backfill: step(
    'phase 3: copies history',
    ['install', 'relay', 'apply', 'backfill', 'compare'],
    ['read-flags', 'queue-depths'],
  ),
  reconcile: step(
    'phase 3: one cycle of comparison',
    ['install', 'relay', 'apply', 'backfill', 'compare'],
    ['queue-depths'],
    1769,
  ),
  cutover: step(
    'phase 4: moves reads',
    ['install', 'compare', 'relay', 'read'],
    ['read-flags', 'publish-flags', 'queue-depths'],
  ),
  switchover: step(
    'phase 4: moves write authority',
    ['install', 'relay', 'apply', 'backfill', 'compare', 'fence'],
    ['read-flags', 'publish-flags', 'queue-depths', 'wake-relay'],
    1769,
  ),
  decommission: step(
    'phase 5: proves, archives, closes',
    ['install', 'relay', 'apply', 'compare', 'fence'],
    ['read-flags', 'publish-flags', 'queue-depths', 'wake-relay', 'protect-stacks'],
    1769,
  ),
  rollback: step(
    'the way back from any machine',
    ['install', 'relay', 'apply', 'backfill', 'compare', 'fence', 'read'],
    ['read-flags', 'publish-flags', 'queue-depths', 'wake-relay', 'stop-executions', 'protect-stacks'],
  ),
  relay: {
    about: 'carries outbox events of one direction to the other store',
    memory: 1024,
    timeout: 'run',
    purposes: ['relay', 'apply', 'backfill', 'compare'],
    abilities: ['send-retries', 'queue-depths'],
  },
  retry: {
    about: 'tries again what the relay could not apply',
    memory: 512,
    timeout: 60,
    purposes: ['relay', 'apply', 'backfill', 'compare'],
    abilities: ['send-retries', 'take-retries', 'queue-depths'],
  },
  controller: {
    about: 'carries out the wish of the flags, tenant by tenant',
    memory: 512,
    timeout: STEP_SECONDS,
    purposes: ['install', 'relay', 'apply', 'backfill', 'compare', 'fence'],
    abilities: ['read-flags', 'queue-depths', 'wake-relay', 'describe-executions'],
  },
  'dry-run': {
    about: 'POST dry-run: a write that is rolled back',
    memory: 512,
    timeout: 29,
    purposes: ['apply', 'compare', 'relay'],
    abilities: [],
  },
  data: {
    about: 'GET data: the read router',
    memory: 1024,
    timeout: 29,
    purposes: ['read'],
    abilities: ['read-flags'],
  },
  routing: {
    about: 'GET routing: the routing in effect',
    memory: 256,
    timeout: 10,
    purposes: [],
    abilities: ['read-flags'],
  },
};

function step(
  about: string,
  purposes: readonly RolePurpose[],
  abilities: readonly Ability[],
  memory = 1024,
): FunctionRow {
  return {
    about,
    memory,
    timeout: STEP_SECONDS,
    purposes,
    abilities: ['objects', 'describe-executions', ...abilities],
  };
}

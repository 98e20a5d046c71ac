/**
 * Memory, time and permissions of every function: one row each. A function may open a store only for the purposes in its row,
 * which decide the secrets that it may read (a test compares them with what its code opens).
 */
import type { FunctionName } from '../contracts/functions.ts';
import { ROLE_PURPOSES, type RolePurpose } from '../plan/plan.ts';

export type Ability =
  /** Reads the wish from AppConfig. */
  | 'read-flags'
  /** Publishes and deploys a new wish. */
  | 'publish-flags'
  /** Reads and writes lists of chunks, results, reports and archives. */
  | 'objects'
  /** Sends to the retry queues. */
  | 'send-retries'
  /** Takes from the dead-letter queues, when a redrive was asked for. */
  | 'drain-dead'
  /** Takes from the retry queues. */
  | 'take-retries'
  /** Starts the relay now. */
  | 'wake-relay'
  /** Looks at other executions of the machines. */
  | 'describe-executions'
  /** Starts the copy of tenants that a flag turned on. */
  | 'start-backfill'
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
/** MB at which Lambda gives one whole processor. */
const ONE_PROCESSOR = 1769;

export const FUNCTION_TABLE: Readonly<Record<FunctionName, FunctionRow>> = {
  baseline: step('phase 1: compares schemas, probes writes', ROLE_PURPOSES, ['protect-stacks']),
  'dual-write': step('phase 2: installs capture, exposes tenants', ROLE_PURPOSES, [
    'read-flags',
    'publish-flags',
    'wake-relay',
  ]),
  backfill: step('phase 3: copies history', ['relay', 'backfill', 'compare'], ['read-flags', 'objects']),
  reconcile: step(
    'phase 3: one cycle of comparison',
    ['relay', 'apply', 'backfill', 'compare'],
    ['objects'],
    ONE_PROCESSOR,
  ),
  cutover: step(
    'phase 4: moves reads',
    ['install', 'relay', 'apply', 'compare', 'read'],
    ['read-flags', 'publish-flags'],
  ),
  switchover: step(
    'phase 4: moves write authority',
    ['install', 'relay', 'apply', 'backfill', 'compare', 'fence'],
    ['read-flags', 'objects', 'wake-relay'],
    ONE_PROCESSOR,
  ),
  decommission: step(
    'phase 5: proves, archives, closes',
    ROLE_PURPOSES,
    ['read-flags', 'objects', 'wake-relay', 'protect-stacks'],
    ONE_PROCESSOR,
  ),
  rollback: step(
    'the way back from any machine',
    ['install', 'relay', 'apply', 'backfill', 'compare', 'fence'],
    ['read-flags', 'publish-flags', 'objects', 'wake-relay', 'protect-stacks'],
  ),
  relay: {
    about: 'carries outbox events of one direction to the other store',
    memory: 1024,
    timeout: 'run',
    purposes: ['relay', 'apply', 'backfill', 'compare'],
    abilities: ['send-retries', 'drain-dead'],
  },
  retry: {
    about: 'tries again what the relay could not apply',
    memory: 512,
    timeout: 60,
    purposes: ['relay', 'apply', 'backfill', 'compare'],
    abilities: ['take-retries', 'send-retries'],
  },
  controller: {
    about: 'carries out the wish of the flags, tenant by tenant',
    memory: 512,
    timeout: STEP_SECONDS,
    purposes: ['relay', 'apply', 'backfill', 'compare'],
    abilities: ['read-flags', 'wake-relay', 'protect-stacks', 'describe-executions', 'start-backfill'],
  },
  'dry-run': {
    about: 'POST dry-run: a write that is rolled back',
    memory: 512,
    timeout: 29,
    purposes: ['apply', 'compare'],
    abilities: [],
  },
  data: {
    about: 'GET data: the read router',
    memory: 1024,
    timeout: 29,
    purposes: ['read', 'compare'],
    abilities: ['read-flags', 'objects'],
  },
  routing: {
    about: 'GET routing: the routing in effect',
    memory: 256,
    timeout: 10,
    purposes: ['read'],
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
    abilities: ['describe-executions', ...abilities],
  };
}

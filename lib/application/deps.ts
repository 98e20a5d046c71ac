/** What use cases reach the world through. Built once a container by lambdas/shared/deps.ts, and by the CLI for what it needs. */

import type { Direction } from '../domain/direction.ts';
import type { Plan } from '../plan/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { DocumentStore } from '../ports/documents.ts';
import type { FlagReader, FlagWriter } from '../ports/flags.ts';
import type { Log } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { ObjectStore } from '../ports/objects.ts';
import type { StackProtection } from '../ports/protection.ts';
import type { RetryQueues } from '../ports/queue.ts';
import type { Databases } from '../ports/sql.ts';
import type { Workflow } from '../ports/workflow.ts';

export interface Deps {
  readonly plan: Plan;
  readonly planHash: string;
  readonly databases: Databases;
  readonly documents: DocumentStore;
  readonly flags: FlagReader & FlagWriter;
  readonly queues: RetryQueues;
  readonly workflow: Workflow;
  readonly objects: ObjectStore;
  readonly metrics: Metrics;
  readonly protection: StackProtection;
  readonly clock: Clock;
  readonly log: Log;
  /** Starts a relay run now; a hint only, the schedule is the guarantee. Never throws. */
  readonly wakeRelay: (direction: Direction) => Promise<void>;
  /** Random id for approvals, holders of leases and idempotency keys. */
  readonly newId: () => string;
}

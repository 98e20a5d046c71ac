/** What the operator's use cases reach the world through. There is no database among it: the CLI reads documents (design §5). */
import type { Clock } from '../../ports/clock.ts';
import type { DocumentStore } from '../../ports/documents.ts';
import type { FlagReader, FlagWriter } from '../../ports/flags.ts';
import type { Identity } from '../../ports/identity.ts';
import type { ObjectStore } from '../../ports/objects.ts';
import type { RetryQueues } from '../../ports/queue.ts';
import type { DeployedSystem, Systems } from '../../ports/system.ts';
import type { Workflow } from '../../ports/workflow.ts';

export interface Operator {
  readonly system: DeployedSystem;
  readonly systems: Systems;
  readonly documents: DocumentStore;
  /** Plans of repairs: what is to be reviewed row by row. */
  readonly objects: ObjectStore;
  readonly flags: FlagReader & FlagWriter;
  readonly queues: RetryQueues;
  readonly workflow: Workflow;
  readonly identity: Identity;
  readonly clock: Clock;
  /** `status` to `crossfade status`, with `--plan` where the operator had to give it. */
  readonly command: (text: string) => string;
}

export const OPERATOR_ERROR_KINDS = ['usage', 'refused', 'waiting', 'failed'] as const;
export type OperatorErrorKind = (typeof OPERATOR_ERROR_KINDS)[number];

/** What happened with which values, and the command to run next. `refused` has changed nothing. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly kind: OperatorErrorKind;
  readonly next: string;

  constructor(kind: OperatorErrorKind, message: string, options: { readonly next: string; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.next = options.next;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

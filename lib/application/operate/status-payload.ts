/** What `status` answers. */
import type { BreakerDocument, JournalDocument, Mark, TenantDocument } from '../../contracts/documents.ts';
import type { Direction } from '../../domain/direction.ts';
import type { Machine, Phase } from '../../domain/phase.ts';
import type { ApprovalView } from './approvals.ts';
import type { DriftClock } from './drift-clock.ts';
import type { WindowUse } from './migration-progress.ts';
import type { Protection } from './protection.ts';

export interface MachineStatus {
  readonly machine: Machine;
  readonly phase: Phase | null;
  /** Tenants that have passed it, of all that are known. */
  readonly passed: number;
  readonly tenants: number;
  readonly running: {
    readonly run: string;
    readonly step: string | null;
    readonly startedAt: string;
    readonly dryRun: boolean;
    readonly scope: readonly string[];
    readonly notes: readonly string[];
  } | null;
  readonly last: {
    readonly run: string;
    readonly outcome: string;
    readonly endedAt: string;
    readonly reasons: readonly string[];
  } | null;
}

export interface QueueStatus {
  readonly direction: Direction;
  /** null: it could not be asked; `problem` says why. */
  readonly depth: { readonly waiting: number; readonly inFlight: number; readonly dead: number } | null;
  readonly problem: string | null;
}

export interface RelayStatus {
  readonly work: string;
  readonly at: string;
  readonly ageMs: number;
  /** What the relay last counted: lag in ms, events undelivered, parked, dead. */
  readonly state: Readonly<Record<string, unknown>>;
}

export interface StatusPayload {
  readonly plan: string;
  readonly environment: string | null;
  readonly planHash: string | null;
  readonly at: string;
  readonly phase: Phase | 'complete';
  readonly machines: readonly MachineStatus[];
  readonly windows: readonly WindowUse[];
  /** Whether windows and limits are the plan's or, before its first run, the guide's. */
  readonly numbersFrom: 'plan' | 'guide';
  readonly authority: Pick<JournalDocument, 'n' | 'authoritative' | 'direction' | 'at' | 'by' | 'why'>;
  readonly tenants: readonly TenantDocument[];
  readonly marks: { readonly paused: Mark | null; readonly halted: Mark | null; readonly deliveryHeld: Mark | null };
  readonly approvals: readonly ApprovalView[];
  readonly drift: DriftClock;
  readonly openDrift: number;
  readonly openIncidents: number;
  readonly relays: readonly RelayStatus[];
  readonly queues: readonly QueueStatus[];
  readonly breaker: BreakerDocument | null;
  readonly protection: Protection;
  /** Why nothing moves, one reason a line; empty while something runs or nothing has to. */
  readonly waitsFor: readonly string[];
  readonly next: string;
}

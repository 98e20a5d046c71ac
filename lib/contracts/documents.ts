/** Everything that the control table remembers, by kind. Kinds are the partition keys of the DynamoDB table. */
import type { Direction, StoreName } from '../domain/direction.ts';
import type { GateDecision } from '../domain/gate.ts';
import type { Machine, WayBack } from '../domain/phase.ts';
import type { Stage } from '../domain/stage.ts';
import type { Outcome } from './machine-io.ts';
import type { OutcomeCounts, RepairState, RepairSummary } from './repair.ts';

/** Who did something, when and why. */
export interface Mark {
  readonly by: string;
  readonly at: string;
  readonly why: string;
}

/** id `control`. */
export interface ControlDocument {
  /** Machines wait before their next step. */
  readonly paused?: Mark | undefined;
  /** Machines end at their next step. */
  readonly halted?: Mark | undefined;
  /** The emergency stop: relays hold delivery; events wait, nothing is lost (design §3.6). */
  readonly deliveryHeld?: Mark | undefined;
  /** Relays wait as for the emergency stop, which is a person's and is looked at apart. */
  readonly overwriting?: OverwritingMark | undefined;
}

/** A rollback overwrites the target from legacy. It lapses, so that one that died holds nothing up. */
export interface OverwritingMark extends Mark {
  readonly execution: string;
  readonly until: string;
}

/** id: the machine's name. Which execution holds it, and how it last ended. */
export interface MachineDocument {
  readonly current?:
    | {
        readonly execution: string;
        readonly startedAt: string;
        readonly scope: readonly string[];
        readonly dryRun: boolean;
      }
    | undefined;
  /** Last real (not dry) run that ended. */
  readonly last?:
    | {
        readonly execution: string;
        readonly outcome: Outcome | 'failed';
        readonly endedAt: string;
        readonly scope: readonly string[];
        readonly reasons: readonly string[];
      }
    | undefined;
  /** Per tenant: when it last passed this machine. Cleared by a rollback. */
  readonly passed: Readonly<Record<string, string>>;
  /** First time that the machine was begun for real: the compatibility window runs from here. */
  readonly openedAt?: string | undefined;
}

/** id `<machine>#<execution name>`. */
export interface RunDocument {
  readonly execution: string;
  readonly machine: Machine;
  readonly scope: readonly string[];
  readonly dryRun: boolean;
  readonly from: WayBack | null;
  /** What would be typed to ask for the same, without `--dry-run` and `--plan`; absent: the input was wrong, or asked for a repair. */
  readonly command?: string | undefined;
  readonly requestedBy: string;
  readonly startedAt: string;
  readonly step: string;
  readonly steps: readonly { readonly step: string; readonly at: string; readonly notes: readonly string[] }[];
  readonly gates: readonly GateDecision[];
  readonly reasons: readonly string[];
  readonly endedAt?: string | undefined;
  readonly outcome?: Outcome | 'failed' | undefined;
  readonly error?: string | undefined;
}

/** id: the tenant. Mirror of `crossfade.tenant_state` of the source, for readers and `status`. */
export interface TenantDocument {
  readonly tenant: string;
  readonly stage: Stage;
  readonly generation: number;
  readonly on: boolean;
  /** True once the first copy under G has ended (protocol §5, step v). */
  readonly copied: boolean;
  /** Canary share of reads in percent, in effect for stage `live`. */
  readonly readPercent: number;
  readonly since: string;
  readonly why: string;
  readonly flagsVersion: number | null;
}

/** id: the authority number, zero-padded to 12. Append-only: the durable word on who is authoritative. */
export interface JournalDocument {
  readonly n: number;
  readonly authoritative: StoreName;
  readonly direction: Direction;
  readonly at: string;
  readonly by: string;
  readonly why: string;
  readonly execution: string | null;
  /** Version of the flags that were in force; null: they could not be read. */
  readonly flagsVersion?: number | null | undefined;
}

/** id `<ISO time>#<gate>#<random>`. */
export interface EvidenceDocument {
  readonly kind: 'gate' | 'approval' | 'decision';
  readonly at: string;
  readonly machine: Machine | null;
  readonly execution: string | null;
  readonly dryRun: boolean;
  readonly planHash: string;
  readonly gate?: GateDecision | undefined;
  readonly note?: string | undefined;
  readonly by?: string | undefined;
}

export interface TableCycle {
  readonly table: string;
  /** What was compared of it, hashed: the key, the mapping, the columns. Absent: it changed during the cycle. */
  readonly shape?: string | undefined;
  readonly rows: number;
  readonly chunks: number;
  readonly differingChunks: number;
  /** Rows proved different before any repair. */
  readonly drift: { readonly missing: number; readonly extra: number; readonly different: number };
  /** Rows that differed when their chunk was read, and were equal when they were looked at one by one. */
  readonly converged?: number | undefined;
  readonly inFlight: number;
  /** Of those in flight, rows whose events are parked or dead: they differ until somebody looks after them. */
  readonly setAside?: number | undefined;
  /** Of those in flight, rows whose events have been open for longer than `dualWrite.lagLimit`. */
  readonly late?: number | undefined;
  /** Rows that would not stand still: neither clean nor drift. */
  readonly unsettled: number;
  readonly repaired: number;
  /** Rows left out because their tenant is off, still being copied, or nobody's: of the store with more of them. */
  readonly leftOut: number;
  /** Chunks with the most differing keys, `MAX_WORST` of them. */
  readonly worst?: readonly WorstChunk[] | undefined;
}

/** A chunk as it was first read: its differing keys are not settled yet, some converge. */
export interface WorstChunk {
  /** Row keys: exclusive and inclusive, null is open. */
  readonly after: string | null;
  readonly through: string | null;
  readonly rows: number;
  readonly keys: number;
}

/** id: ISO start time. At most 400 KB: lists are bounded, what is longer lies in the bucket under `cycles/<id>/`. */
export interface CycleDocument {
  readonly execution: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly mode: string;
  /** What was compared of each of `tables`: every row, what changed lately, a part, or rows that somebody named. */
  readonly scopeKind: 'full' | 'window' | 'sample' | 'keys';
  readonly tenants: readonly string[];
  /** Key of the list in the bucket, where it is too long for a document: `tenants` is empty then. */
  readonly tenantsList?: string | undefined;
  /** Of these tenants, those in another generation than their first. In the same list. */
  readonly generations?: Readonly<Record<string, number>> | undefined;
  /** Those that were part of it; none of a failed cycle means all. */
  readonly tables: readonly TableCycle[];
  readonly rows: number;
  /**
   * Rows compared (full passes count them) and drift by tenant, most drift first. A tenant of `tenants` that is not listed had
   * none, unless `tenantsUnlisted` says otherwise.
   */
  readonly byTenant?: Readonly<Record<string, TenantCycle>> | undefined;
  /** Tenants beyond `byTenant` with drift or unproven rows. */
  readonly tenantsUnlisted?: number | undefined;
  /** Of the rows that there are in `tables`, by the newest full pass, in percent; null: no full pass has counted them. */
  readonly coveragePercent?: number | null | undefined;
  readonly durationMs?: number | undefined;
  /**
   * Rows that a limit left out: keys that were listed beyond it, or the planner's estimate. `rows` is null where nobody has counted
   * them. Absent: nothing was left out.
   */
  readonly beyondLimit?:
    | { readonly rows: number | null; readonly counted: 'exactly' | 'at-least' | 'estimated' }
    | undefined;
  /** Key of the HTML page in the bucket. */
  readonly report?: string | undefined;
  readonly drift: number;
  readonly driftPercent: number;
  /** 95 % upper bound on the drift rate in percent: 3/n when none of n rows differs. */
  readonly upperBoundPercent: number;
  /** Whether every planned chunk was read. */
  readonly complete: boolean;
  readonly failed: boolean;
}

export interface TenantCycle {
  /** 0 where the cycle did not count them. */
  readonly rows: number;
  readonly drift: number;
  /** Rows that would not stand still, are set aside or late: neither clean nor drift. */
  readonly unproven?: number | undefined;
}

/** A cycle that saw a row differ. */
export interface DriftSighting {
  readonly cycle: string;
  readonly kind: DriftDocument['kind'];
  readonly columns: readonly string[];
}

/** id `<table>#<row key>`. A difference, and what became of it; removed when the gate's window has passed. */
export interface DriftDocument {
  readonly table: string;
  readonly rowKey: string;
  readonly tenant: string | null;
  readonly kind: 'missing' | 'extra' | 'different';
  readonly columns: readonly string[];
  readonly foundAt: string;
  /** The last one that saw it. */
  readonly cycle: string;
  /** When it was over, by `endedBy`. */
  readonly repairedAt?: string | undefined;
  /** `converged`: nobody repaired it, and a full pass did not find it any more. */
  readonly endedBy?: 'repair' | 'converged' | undefined;
  /** Newest last, the last 20. */
  readonly seen?: readonly DriftSighting[] | undefined;
}

/** id: the approval's id, which may be shown; the token may not. */
export interface ApprovalDocument {
  readonly id: string;
  readonly machine: Machine;
  readonly execution: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly expiresAt: string;
  readonly question: string;
  readonly evidenceHash: string;
  readonly taskToken: string;
  readonly decision?:
    | { readonly approved: boolean; readonly by: string; readonly at: string; readonly comment: string }
    | undefined;
}

/** Resumable work of a machine; id names the work, e.g. `backfill/orders`. */
export interface ProgressDocument {
  readonly work: string;
  readonly state: Readonly<Record<string, unknown>>;
  readonly at: string;
}

/** id: minute as ISO `2026-01-01T00:00`. Flat record of numbers only (see `DocumentStore.add`). */
export type CounterDocument = Readonly<Record<string, number>>;

/** id `target-read`. Shared state of the read breaker, written on transitions only (design §6). */
export interface BreakerDocument {
  readonly state: 'closed' | 'open' | 'half-open';
  readonly openedAt: string | null;
  readonly reason: string;
  readonly probeOwner: string | null;
  readonly probeUntil: string | null;
  /** How often it opened since the weight was last set. */
  readonly openings: number;
}

export const INCIDENT_KINDS = ['bypass', 'foreign-write', 'history-lost'] as const;

/** id `<store>/<kind>/<subject>`. What must not happen and did: open until it is mended and verified, or a person closes it. */
export interface IncidentDocument {
  readonly kind: (typeof INCIDENT_KINDS)[number];
  readonly store: StoreName;
  /** Table, function or role; for a foreign write role, application, client and table. */
  readonly subject: string;
  readonly says: string;
  /** Rows of a foreign write; else 1. */
  readonly count: number;
  /** Some of the row keys; never row contents. */
  readonly sample: readonly string[];
  readonly firstAt: string;
  readonly lastAt: string;
  /** When it was no longer found. Writes may have escaped before: it stays open until a clean full pass that began later. */
  readonly mendedAt?: string | undefined;
  /** A person asked for it to be closed; carried out within a minute. */
  readonly closing?: Mark | undefined;
  readonly closed?: Mark | undefined;
}

/** id: the repair's. What it does row by row lies in the bucket (`repairKey`); this is what it is about, and what became of it. */
export interface RepairDocument extends RepairSummary {
  readonly state: RepairState;
  /** Of the artefact: approval and execution are bound to it. */
  readonly hash: string;
  /** When a plan that nobody has run is not to be run any more. */
  readonly expiresAt: string;
  /** Executions that made it and that ran it last. */
  readonly execution: string;
  readonly ranBy?: string | undefined;
  readonly approval?: { readonly id: string; readonly by: string; readonly at: string } | undefined;
  readonly outcomes?: OutcomeCounts | undefined;
  /** Of rows that were left, the first 20. */
  readonly reasons?: readonly string[] | undefined;
  readonly endedAt?: string | undefined;
  readonly undone?: (Mark & { readonly rows: number; readonly left: number }) | undefined;
}

export interface Documents {
  readonly control: ControlDocument;
  readonly machine: MachineDocument;
  readonly run: RunDocument;
  readonly tenant: TenantDocument;
  readonly journal: JournalDocument;
  readonly evidence: EvidenceDocument;
  readonly cycle: CycleDocument;
  readonly drift: DriftDocument;
  readonly approval: ApprovalDocument;
  readonly progress: ProgressDocument;
  readonly reads: CounterDocument;
  readonly breaker: BreakerDocument;
  readonly incident: IncidentDocument;
  readonly repair: RepairDocument;
}

export const DOCUMENT_KINDS = [
  'control',
  'machine',
  'run',
  'tenant',
  'journal',
  'evidence',
  'cycle',
  'drift',
  'approval',
  'progress',
  'reads',
  'breaker',
  'incident',
  'repair',
] as const satisfies readonly (keyof Documents)[];
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];

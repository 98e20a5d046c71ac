/**
 * In flight is not drift (design §4): a differing row counts only when nothing is on its way to it and it stays different, and
 * unchanged on both sides, across two reads (ADR 030). Rows are known by fingerprints here, never by values.
 *
 * Why two such reads are a proof, whatever the lag: each reads the source, then what is open, then the receiver. Nothing open at
 * the second read means that every write up to its view of the source has reached the receiver; the receiver's version of the row
 * says which write it holds, and has not changed since the first read. So the receiver held that last write already then, and
 * differed from it. Without the version, a row that goes back and forth between two states could be caught twice out of step.
 */
import { createHash } from 'node:crypto';
import type { StoreName } from './direction.ts';

/** What one read of both stores saw of a row key. A fingerprint is null where the store has no such row. */
export interface RowSight {
  readonly rowKey: string;
  /** Tenant of the row where it is, by the authoritative store first. */
  readonly tenant: string | null;
  readonly legacy: string | null;
  readonly target: string | null;
  /** Something is to come: an event of the row has not ended, its parent is moving to another tenant, or it is queued for a fresh read. */
  readonly inFlight: boolean;
  /** Since the oldest open event of the row, or of its parent's move, was captured; absent: none is open. */
  readonly openMs?: number | undefined;
  /** Not null: what is to come has been set aside, and comes only when somebody brings it back. */
  readonly setAside: SetAside | null;
  /** What the receiver last applied to the row; null when it keeps no version of it. */
  readonly version: string | null;
}

export const SET_ASIDE_STATES = ['parked', 'dead'] as const;

export interface SetAside {
  readonly state: (typeof SET_ASIDE_STATES)[number];
  /** Of the event, shortened. */
  readonly reason: string;
}

export const DRIFT_KINDS = ['missing', 'extra', 'different'] as const;
/** As the receiver stands: it lacks a row, it has one too many, or the two differ. */
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** `moving`: it differs, but has not stood still for two reads yet. `set-aside`: it differs, and its event waits for somebody. */
export type Verdict = 'converged' | 'in-flight' | 'set-aside' | 'moving' | 'drift';

/** What the next read needs to know of this one: a hundred thousand rows wait for it, in memory and in the bucket. */
export interface Stand {
  readonly inFlight: boolean;
  /** SHA-256 of both fingerprints and the version. */
  readonly print: string;
}

export function standOf({ legacy, target, version, inFlight }: RowSight): Stand {
  const seen = JSON.stringify([legacy, target, version]);
  return { inFlight, print: createHash('sha256').update(seen).digest('base64url') };
}

/** @param before how the row stood at the earlier read; undefined on the first one. */
export function judgeRow(before: Stand | undefined, now: RowSight): Verdict {
  // Covers the fourth case too: neither store has the row any more (prior art, trap 23).
  if (now.legacy === now.target) return 'converged';
  if (now.setAside !== null) return 'set-aside';
  if (now.inFlight) return 'in-flight';
  if (before === undefined || before.inFlight) return 'moving';
  return before.print === standOf(now).print ? 'drift' : 'moving';
}

export function driftKindOf(sight: RowSight, authoritative: StoreName): DriftKind {
  const source = authoritative === 'legacy' ? sight.legacy : sight.target;
  const receiver = authoritative === 'legacy' ? sight.target : sight.legacy;
  if (receiver === null) return 'missing';
  return source === null ? 'extra' : 'different';
}

/** Who is read, who is written and who is authoritative: a table, not branches (design §2). */
import type { StoreName } from './direction.ts';

export const STAGES = ['off', 'dualwrite', 'shadow', 'live', 'rampdown', 'complete'] as const;
export type Stage = (typeof STAGES)[number];

export interface StageRoute {
  readonly reads: {
    readonly primary: StoreName;
    readonly fallback?: StoreName;
    readonly canary: boolean;
    readonly shadow?: StoreName;
  };
  readonly writes: { readonly first: StoreName; readonly relayedTo?: StoreName };
  readonly authoritative: StoreName;
}

export const STAGE_ROUTES: Readonly<Record<Stage, StageRoute>> = {
  off: { reads: { primary: 'legacy', canary: false }, writes: { first: 'legacy' }, authoritative: 'legacy' },
  dualwrite: {
    reads: { primary: 'legacy', canary: false },
    writes: { first: 'legacy', relayedTo: 'target' },
    authoritative: 'legacy',
  },
  shadow: {
    reads: { primary: 'legacy', canary: false, shadow: 'target' },
    writes: { first: 'legacy', relayedTo: 'target' },
    authoritative: 'legacy',
  },
  live: {
    reads: { primary: 'target', fallback: 'legacy', canary: true },
    writes: { first: 'legacy', relayedTo: 'target' },
    authoritative: 'legacy',
  },
  rampdown: {
    reads: { primary: 'target', canary: false },
    writes: { first: 'target', relayedTo: 'legacy' },
    authoritative: 'target',
  },
  complete: { reads: { primary: 'target', canary: false }, writes: { first: 'target' }, authoritative: 'target' },
};

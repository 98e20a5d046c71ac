/** What the phases of the demo share: the running rehearsal, its traffic, its operator's commands, and the facts for the summary. */
import type { StoreName } from '../domain/direction.ts';
import type { LocalEnvironment } from '../local/environment.ts';
import type { Commands } from './commands.ts';
import type { PreparedShop } from './prepare-shop.ts';
import type { Proof } from './proof/prove.ts';
import type { Story } from './story.ts';
import type { Api } from './traffic/api.ts';
import type { Traffic } from './traffic/traffic.ts';
import type { Watch } from './watch.ts';

export interface Demo {
  readonly story: Story;
  readonly environment: LocalEnvironment;
  readonly commands: Commands;
  readonly shop: PreparedShop;
  readonly api: Api;
  readonly traffic: Traffic;
  readonly watch: Watch;
  /** Superusers, or whoever the given URLs name: for mishaps and for the proof, never for the migration. */
  readonly urls: Readonly<Record<StoreName, string>>;
  readonly facts: Facts;
}

/** Filled in by the phases; what is undefined was not reached. */
export interface Facts {
  mishaps: Mishap[];
  driftFound?: number;
  driftRepaired?: number;
  writePauseMs?: number;
  delivered?: Readonly<Record<'forward' | 'reverse', number>>;
  proof?: Proof;
  /** The acknowledged writes after the reverse relay was retired, looked up in the target. */
  finalProof?: { readonly ledgerKeys: number; readonly held: number };
}

export interface Mishap {
  readonly what: string;
  readonly handled: string;
  /** From the mishap's end until all was well again; null: skipped. */
  readonly healedInMs: number | null;
}

export interface DemoPhase {
  readonly title: string;
  readonly about: string;
  /** The demo fails when the phase takes longer. */
  readonly limitSeconds: number;
  readonly run: (demo: Demo) => Promise<void>;
}

/** Something is not as it should be; the message says what was seen. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

/** Both stores, the rules in force, and what the model knows that no process may look at: the acknowledged truth and the trace. */
import type { Profile } from '../profiles.ts';
import type { Random } from '../random.ts';
import type { Rules } from '../rules.ts';
import { type Key, type State, Store, type StoreName } from './store.ts';
import type { Direction, Tenant } from './verdicts.ts';

/** An invariant does not hold: the history ends here. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export interface RetryMessage {
  readonly direction: Direction;
  readonly seq: number;
  readonly epoch: number;
  receives: number;
}

export class World {
  readonly rules: Rules;
  readonly profile: Profile;
  readonly random: Random;
  readonly legacy = new Store('legacy');
  readonly target = new Store('target');
  readonly trace: string[] | undefined;
  readonly retryQueue: RetryMessage[] = [];
  /** Tenants whose way back is verified: none of their rows may appear until they are turned on again. */
  readonly rolledBack = new Set<Tenant>();
  /** Last acknowledged application write of each key, wherever it was made. */
  truth = new Map<Key, State>();
  /** While faults are injected; afterwards everything that was begun comes to its end. */
  isFaulty = true;
  /** From a restore until the receiver has its new epoch: versions of two timelines cannot be compared. */
  isHistoryLost = false;
  /** Who finds a value taken loses it, or the whole row goes. */
  readonly evictsByNull: boolean;
  private lastVersion = 0;
  private lastTick = 0;

  constructor(rules: Rules, profile: Profile, random: Random, isTraced: boolean) {
    this.rules = rules;
    this.profile = profile;
    this.random = random;
    this.trace = isTraced ? [] : undefined;
    this.evictsByNull = random.chance(0.5);
  }

  store(name: StoreName): Store {
    return name === 'legacy' ? this.legacy : this.target;
  }

  sourceOf(direction: Direction): Store {
    return direction === 'forward' ? this.legacy : this.target;
  }

  receiverOf(direction: Direction): Store {
    return direction === 'forward' ? this.target : this.legacy;
  }

  nextVersion(): number {
    return ++this.lastVersion;
  }

  /** A clock that only orders. */
  tick(): number {
    return ++this.lastTick;
  }

  note(line: () => string): void {
    this.trace?.push(line());
  }

  fail(message: string): never {
    throw new Violation(message);
  }
}

export function stateText({ version, row }: State): string {
  if (row === null) return `v${version} absent`;
  return `v${version} of ${row.tenant}${row.value === null ? '' : ` with ${row.value}`}`;
}

/** AppConfig feature flags: who *should* be exposed (the wish, design §2). Held to test/contract/flags.contract.ts. */
import type { Flags } from '../domain/flags.ts';

export interface FlagsVersion {
  /** The hosted configuration version that is deployed; every decision carries it. */
  readonly version: number;
  readonly flags: Flags;
}

export interface FlagReader {
  /** The deployed wish, or undefined when it cannot be read: unknown is not off (design §3.6). Never throws. */
  read(): Promise<FlagsVersion | undefined>;
}

export interface FlagWriter {
  /**
   * Publishes a new version and deploys it.
   * @param expectedVersion the version that the change was derived from.
   * @throws {FlagsConflict} when another version was published meanwhile or a deployment is in flight.
   */
  publish(flags: Flags, expectedVersion: number, why: string): Promise<FlagsVersion>;
}

export class FlagsConflict extends Error {
  override readonly name = 'FlagsConflict';
}

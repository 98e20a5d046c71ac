/** Flags in memory; `setReadable(false)` is an AppConfig that cannot be reached. */
import { INITIAL_FLAGS } from '../../contracts/flags-document.ts';
import type { Flags } from '../../domain/flags.ts';
import { type FlagReader, FlagsConflict, type FlagsVersion, type FlagWriter } from '../../ports/flags.ts';

export interface MemoryFlags extends FlagReader, FlagWriter {
  setReadable(readable: boolean): void;
  /** While true, a deployment is in flight and `publish` conflicts. */
  setDeploying(deploying: boolean): void;
}

export function createMemoryFlags(initial: Flags = INITIAL_FLAGS): MemoryFlags {
  let deployed: FlagsVersion = { version: 1, flags: structuredClone(initial) };
  let readable = true;
  let deploying = false;
  return {
    read: async () => (readable ? structuredClone(deployed) : undefined),
    publish: async (flags, expectedVersion) => {
      if (deploying) throw new FlagsConflict('a deployment of the flags is in flight; try again when it has ended');
      if (expectedVersion !== deployed.version) {
        throw new FlagsConflict(
          `the flags are at version ${deployed.version}, the change was made from version ${expectedVersion}; read them again`,
        );
      }
      deployed = { version: deployed.version + 1, flags: structuredClone(flags) };
      return structuredClone(deployed);
    },
    setReadable: (value) => {
      readable = value;
    },
    setDeploying: (value) => {
      deploying = value;
    },
  };
}

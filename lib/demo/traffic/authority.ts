/**
 * Where an application writes. It keeps to one store until that one is fenced; then it asks the routing and goes where the routing
 * says, or tries the other store: trying is safe, because exactly one store lets applications write.
 */
import type { StoreName } from '../../domain/direction.ts';

export interface Authority {
  readonly store: StoreName;
  /** The store refused a write; resolves when another try is worth it. */
  refused(store: StoreName): Promise<void>;
}

export interface AuthorityOptions {
  /** What the routing says; undefined when it cannot be read. */
  readonly readRouting: () => Promise<StoreName | undefined>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly moved?: ((store: StoreName) => void) | undefined;
}

/** Between two tries while neither store lets writes in. */
const PAUSE_MS = 25;

export function createAuthority({ readRouting, sleep, moved }: AuthorityOptions): Authority {
  let store: StoreName = 'legacy';
  let asking: Promise<void> | undefined;
  const follow = async (refusing: StoreName) => {
    await sleep(PAUSE_MS);
    const said = await readRouting().catch(() => undefined);
    const next = said === undefined || said === refusing ? other(refusing) : said;
    if (next !== store) {
      store = next;
      moved?.(next);
    }
  };
  return {
    get store() {
      return store;
    },
    // Workers that are refused together ask once.
    refused: async (refusing) => {
      if (refusing !== store) return;
      asking ??= follow(refusing).finally(() => {
        asking = undefined;
      });
      await asking;
    },
  };
}

function other(store: StoreName): StoreName {
  return store === 'legacy' ? 'target' : 'legacy';
}

import type { ObjectStore } from '../../ports/objects.ts';

export function createMemoryObjects(bucket = 'memory'): ObjectStore {
  const bodies = new Map<string, string>();
  return {
    bucket,
    put: async (key, body) => {
      bodies.set(key, body);
    },
    get: async (key) => bodies.get(key),
  };
}

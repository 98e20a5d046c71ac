/** What Crossfade may rely on from its bucket (lib/ports/objects.ts). */
import { beforeAll, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../lib/ports/objects.ts';

export function describeObjectStore(name: string, open: () => Promise<ObjectStore>): void {
  describe(`ObjectStore ${name}`, () => {
    let objects: ObjectStore;

    beforeAll(async () => {
      objects = await open();
    });

    test('an object that nobody put is undefined', async () => {
      expect(await objects.get('chunks/none.json')).toBeUndefined();
    });

    test('a body comes back as it was put, whatever its key and text', async () => {
      const body = JSON.stringify([{ from: 'ä☃', to: null }]);

      await objects.put('chunks/2026-01-01T00:00:00.000Z/orders #1.json', body);

      expect(await objects.get('chunks/2026-01-01T00:00:00.000Z/orders #1.json')).toBe(body);
    });

    test('a second put replaces the first, and an empty body is one', async () => {
      await objects.put('report.html', '<p>', 'text/html');
      await objects.put('report.html', '', 'text/html');

      expect(await objects.get('report.html')).toBe('');
    });

    test('megabytes pass', async () => {
      const body = 'x'.repeat(3_000_000);

      await objects.put('large', body, 'text/plain');

      expect((await objects.get('large'))?.length).toBe(3_000_000);
    });
  });
}

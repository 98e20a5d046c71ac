import { expect, test } from 'vitest';
import { ownStores } from '../../../lib/local/stores.ts';

test("the caller's own databases are both named, or neither is", () => {
  const legacy = 'postgresql://me:secret@db.example:5433/shop%20one';
  const target = 'postgres://me@localhost/shop';

  expect(ownStores({})).toBeUndefined();
  expect(ownStores({ CROSSFADE_LEGACY_URL: legacy, CROSSFADE_TARGET_URL: target })).toEqual({
    legacy: { url: legacy, database: 'shop one', own: true },
    target: { url: target, database: 'shop', own: true },
  });
  expect(() => ownStores({ CROSSFADE_LEGACY_URL: legacy })).toThrow('CROSSFADE_TARGET_URL is not set; set both');
});

test('a URL without a database is refused without repeating its password', () => {
  const environment = {
    CROSSFADE_LEGACY_URL: 'postgresql://me:secret@db.example/',
    CROSSFADE_TARGET_URL: 'postgresql://x/y',
  };

  expect(() => ownStores(environment)).toThrow(
    'CROSSFADE_LEGACY_URL is no URL of a database; expected postgresql://user:password@host:5432/database',
  );
});

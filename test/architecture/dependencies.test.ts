import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CHECKOUT, cruise } from './cruise.ts';

it('finds every import where the folders allow it', async () => {
  const violations = await cruise(CHECKOUT);

  expect(violations.map(({ rule, from, to }) => `${rule}: ${from} -> ${to}`)).toEqual([]);
});

it('fails when there is nothing to check', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'crossfade-architecture-'));
  mkdirSync(join(empty, 'lib'));

  const checked = cruise(empty);

  await expect(checked).rejects.toThrow('nothing was checked');
  rmSync(empty, { recursive: true });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PlanRolesPayload } from '../../lib/application/operate/plan-roles.ts';
import { createWorld } from './support/world.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'crossfade-cli-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('every fault stands with file, line and column, and the exit code is 2', async () => {
  const world = createWorld();
  const file = join(folder, 'wrong.yaml');
  writeFileSync(file, 'name: shop\nenvironment: dev\nreconcile:\n  cycel: 1h\n  gate: { for: 72 }\n');

  const exit = await world.run('plan', 'check', file);

  expect(exit).toBe(2);
  expect(world.stdout).toContain(`${file}:4:3 reconcile.cycel: `);
  expect(world.stdout).toContain(`${file}:5:16 reconcile.gate.for: `);
  expect(world.stdout).toMatch(/not valid: \d+ faults/);
  expect(world.stdout).toContain(`next: npx crossfade plan check ${file}`);
});

test("a dev plan's deviations stand beside the guide's values, and it is valid", async () => {
  const world = createWorld();

  const exit = await world.run('plan', 'check', 'test/fixtures/plans/rehearsal.yaml');

  expect(exit).toBe(0);
  expect(world.stdout).toMatch(/reconcile\.gate\.for +\S+ +at least 72h +guide, phase 3/);
});

test('the JSON Schema is printed as a file for editors', async () => {
  const world = createWorld();

  const exit = await world.run('plan', 'check', '--schema');

  expect(exit).toBe(0);
  expect(JSON.parse(world.stdout)).toMatchObject({ title: 'Crossfade migration plan' });
});

test('the roles of a store are SQL for psql, with variables where passwords go', async () => {
  const world = createWorld();

  const { exit, payload } = await world.json<PlanRolesPayload>(
    'plan',
    'roles',
    'test/fixtures/plans/smallest.yaml',
    '--store',
    'target',
    '--owner',
    'shop',
  );

  expect(exit).toBe(0);
  expect(payload.sql).toContain('ALTER ROLE "crossfade_apply" WITH LOGIN PASSWORD :\'apply_password\';');
  expect(payload.sql).toContain('GRANT "shop" TO "crossfade_fence";');
  expect(payload.sql).not.toContain('crossfade-password-of');
  expect(payload.variables).toContain('relay_password');
});

test('without an owner the SQL says what is missing', async () => {
  const world = createWorld();

  await world.run('plan', 'roles', 'test/fixtures/plans/smallest.yaml', '--store', 'legacy');

  expect(world.stdout).toContain('-- No owner was given');
});

test('a file that is not there is wrong usage', async () => {
  const world = createWorld();

  const exit = await world.run('plan', 'check', join(folder, 'absent.yaml'));

  expect(exit).toBe(2);
  expect(world.stderr).toContain('the file cannot be read');
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadPlan, PlanError, planHash, renderPlanIssues, secretArnFor } from '../../lib/plan/plan.ts';
import { ROLE_PURPOSES } from '../../lib/plan/stores.ts';
import { PURPOSES } from '../../lib/ports/sql.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/plans/${name}.yaml`, import.meta.url), 'utf8');
const SMALLEST = fixture('smallest');
const HOUR = 3_600_000;

function issuesOf(yaml: string) {
  try {
    loadPlan(yaml, 'plan.yaml');
  } catch (error) {
    if (error instanceof PlanError) return error.issues;
    throw error;
  }
  throw new Error('the plan was accepted');
}

const linesOf = (yaml: string) => renderPlanIssues(issuesOf(yaml)).split('\n');

describe('a plan that is right', () => {
  test('loads in the smallest form of the design, with every default of its environment', () => {
    const plan = loadPlan(SMALLEST, 'smallest.yaml');

    expect(plan.reconcile.gate).toEqual({ driftPercent: 0.001, for: 72 * HOUR, minimumRows: 100_000 });
    expect(plan.pools).toEqual({ legacy: 50, target: 50, multiplier: 1 });
    expect(plan.latencyBudget).toBeNull();
    expect(plan.windows['dual-write']).toEqual({ min: 4 * HOUR, max: 72 * HOUR });
    expect(plan.targetTimeout).toBe(500);
    expect(plan.backfill.offPeak).toEqual({ fromMinute: 22 * 60, toMinute: 6 * 60, zone: 'Europe/Berlin' });
    expect(plan.tenants).toEqual({ kind: 'column', column: 'tenant_id', known: [] });
    expect(plan.tables).toEqual({
      orders: {
        tenant: { kind: 'column', column: 'tenant_id' },
        updatedAtColumn: 'updated_at',
        capture: 'trigger',
        columns: {
          full_name: { kind: 'one-way', from: "first_name || ' ' || last_name" },
          risk_score: { kind: 'target-owned' },
        },
        criticalColumns: ['amount', 'status'],
        every: null,
        service: null,
      },
      order_lines: {
        tenant: { kind: 'parent', parent: 'orders', on: [{ column: 'order_id', parentColumn: 'id' }] },
        updatedAtColumn: null,
        capture: 'trigger',
        columns: {},
        criticalColumns: [],
        every: null,
        service: null,
      },
    });
  });

  test('uses the secret of the store for every purpose that has none of its own', () => {
    const { legacy } = loadPlan(SMALLEST, 'smallest.yaml');

    const secrets = new Set(ROLE_PURPOSES.map((purpose) => secretArnFor(legacy, purpose)));

    expect([...secrets]).toEqual([legacy.secretArn]);
  });

  test('loads in the form of a production plan, with both drivers, roles, regions, services and a network', () => {
    const plan = loadPlan(fixture('production'), 'production.yaml');

    expect(plan.pools).toEqual({ legacy: 50, target: 75, multiplier: 1.5 });
    expect(plan.latencyBudget).toBe(20);
    expect(plan.legacy).toMatchObject({ driver: 'pg', tls: 'verify-full', port: 5432 });
    expect(plan.tenants).toEqual({
      kind: 'column',
      column: 'account',
      known: [
        { id: 'acme', region: 'eu-central', services: null },
        { id: 'globex', region: 'us-east', services: ['invoicing'] },
        { id: 'initech', region: null, services: null },
      ],
    });
    expect(plan.tables['billing.invoices']).toMatchObject({
      every: 15 * 60_000,
      capture: 'client',
      service: 'invoicing',
      columns: {
        total: { kind: 'mapped', from: 'amount', back: { amount: 'total' } },
        number: { kind: 'mapped', back: { prefix: expect.any(String), serial: expect.any(String) } },
        legacy_note: { kind: 'dropped' },
      },
    });
    expect(plan.tables.accounts?.tenant).toEqual({ kind: 'column', column: 'id' });
    expect(plan.tables.currencies?.tenant).toEqual({ kind: 'none' });
    expect(plan.tables.payments?.tenant).toEqual({ kind: 'column', column: 'account' });
    expect(plan.approvals.machines).toContain('switchover');
  });

  test('loads without tenants, with URLs from the environment and tables without settings', () => {
    const plan = loadPlan(fixture('rehearsal'), 'rehearsal.yaml');

    expect(plan.tenants).toEqual({ kind: 'none', known: [] });
    expect(plan.legacy).toMatchObject({ urlEnv: 'CROSSFADE_LEGACY_URL' });
    expect(Object.keys(plan.tables)).toEqual(['Artist', 'Album', 'Track', 'PlaylistTrack']);
  });

  test('also loads from JSON', () => {
    const plan = loadPlan(SMALLEST, 'smallest.yaml');
    const raw = {
      name: plan.name,
      environment: 'dev',
      legacy: plan.legacy,
      target: plan.target,
      tenants: 'none',
      tables: { orders: null },
    };

    expect(loadPlan(JSON.stringify(raw), 'plan.json').name).toBe('shop');
  });

  test('takes a section with nothing in it for its defaults', () => {
    const plan = loadPlan(SMALLEST.replace(/^reads: .*$/m, 'reads:\nswitchover: {}'), 'plan.yaml');

    expect(plan.reads.soak).toBe(24 * HOUR);
  });

  test('means the same after it has travelled as JSON', () => {
    const plan = loadPlan(fixture('production'), 'production.yaml');

    const travelled = JSON.parse(JSON.stringify(plan));

    expect(travelled).toEqual(plan);
    expect(planHash(travelled)).toBe(planHash(plan));
  });

  test('is frozen all the way down', () => {
    const plan = loadPlan(SMALLEST, 'smallest.yaml');

    expect(() => Object.assign(plan.reconcile.gate, { for: 1 })).toThrow(TypeError);
  });

  test('has one hash however it is written, and another when it means something else', () => {
    const plan = loadPlan(SMALLEST, 'smallest.yaml');

    expect(planHash(loadPlan(`# a comment\n${SMALLEST.replace('for: 72h', 'for: 3d')}`, 'other.yaml'))).toBe(
      planHash(plan),
    );
    expect(planHash(loadPlan(SMALLEST.replace('for: 72h', 'for: 73h'), 'other.yaml'))).not.toBe(planHash(plan));
    expect(planHash(plan)).toMatch(/^[0-9a-f]{64}$/);
  });

  test('has roles for the purposes that the SQL port knows', () => {
    expect(ROLE_PURPOSES).toEqual(PURPOSES);
  });
});

describe('a plan that is wrong', () => {
  test('names file, line, column and path of every fault at once', () => {
    const yaml = SMALLEST.replace('for: 72h', 'for: 72')
      .replace('failureThreshold: 5', 'failureThreshold: 0')
      .replace('updatedAtColumn:', 'updatedAtColum:')
      .replace('parent: orders', 'parent: order');

    const issues = issuesOf(yaml);

    expect(issues.map(({ line, path }) => [line, path])).toEqual([
      [8, 'tables.orders.updatedAtColum'],
      [14, 'tables.order_lines.tenant.parent'],
      [15, 'reconcile.gate.for'],
      [17, 'reads.failureThreshold'],
    ]);
    expect(issues[0]).toEqual({
      file: 'plan.yaml',
      line: 8,
      column: 5,
      path: 'tables.orders.updatedAtColum',
      message: 'unknown key updatedAtColum; did you mean updatedAtColumn?',
    });
    expect(issues[1]?.message).toBe('expected a table of this plan; did you mean orders?');
    expect(issues[2]?.message).toBe(
      'expected a duration with its unit, such as "500ms", "90s", "15m", "72h" or "7d"; 72 has no unit',
    );
    expect(issues[3]?.message).toBe('expected a whole number from 1 to 1000');
  });

  test.each([
    ['72 h', '; got "72 h"'],
    ['72hours', '; got "72hours", where the units are ms, s, m, h, d'],
    ['1h30m', '"7d"'],
    ['"72"', '; "72" has no unit'],
    ['-1h', 'expected a duration'],
    ['[72h]', 'expected a duration'],
    ['31d', 'expected at most 30d; got 31d'],
    ['0.0001s', 'expected a whole number of milliseconds'],
  ])('refuses the duration %s and says what is expected', (written, expected) => {
    const [issue] = issuesOf(SMALLEST.replace('for: 72h', `for: ${written}`));

    expect(issue?.path).toBe('reconcile.gate.for');
    expect(issue?.message).toContain(expected);
  });

  test('says where a key belongs that stands in the wrong section', () => {
    const [line] = linesOf(`${SMALLEST}soak: 24h\n`);

    expect(line).toBe('plan.yaml:18:1 soak: unknown key soak here; it belongs to reads.soak');
  });

  test('suggests the key of the driver that the store has', () => {
    const messages = issuesOf(SMALLEST.replace('clusterArn', 'clusterARM')).map(({ message }) => message);

    expect(messages).toContain('unknown key clusterARM; did you mean clusterArn?');
  });

  test('names missing keys on the line of what lacks them', () => {
    const issues = issuesOf('name: shop\nlegacy:\n  driver: rds-data\n');

    expect(issues.map(({ line, path }) => [line, path])).toEqual([
      [1, 'environment'],
      [1, 'target'],
      [1, 'tenants'],
      [1, 'tables'],
      [2, 'legacy.clusterArn'],
      [2, 'legacy.database'],
    ]);
    expect(issues[0]?.message).toBe('missing key environment: expected one of: dev, staging, prod');
  });

  test.each([
    ['an empty file', '', 'the file is empty'],
    ['a comment only', '# nothing\n', 'the file is empty'],
    ['a list', '- name: shop\n', 'expected a mapping'],
    ['a word', 'shop', 'expected a mapping'],
    ['a tab', 'name: shop\nlegacy:\n\tdriver: pg\n', 'a tab indents this line'],
    ['a key that stands twice', 'name: shop\nname: shop\n', 'this key stands twice'],
    ['two documents', 'name: shop\n---\nname: shop\n', 'expected one document'],
    ['an open quote', 'name: "shop\n', 'Missing closing'],
    ['an alias that nothing names', 'name: *shop\n', 'plan.yaml:1:7 nothing in this file'],
    ['a tag of another language', 'name: !!js/function x\n', 'Unresolved tag'],
  ])('refuses %s', (_, yaml, expected) => {
    expect(linesOf(yaml).join('\n')).toContain(expected);
  });

  test('points at the second of two equal keys', () => {
    expect(linesOf('name: shop\nenvironment: dev\nname: shop\n')).toEqual([
      'plan.yaml:3:1 this key stands twice in one mapping; expected it once',
    ]);
  });

  test('refuses aliases that would expand to billions of nodes', () => {
    const levels = Array.from(
      { length: 12 },
      (_, index) => `a${index + 1}: &a${index + 1} [${Array.from({ length: 10 }, () => `*a${index}`).join(', ')}]`,
    );

    expect(linesOf(['a0: &a0 [x, x]', ...levels].join('\n'))).toEqual([
      expect.stringContaining('aliases stand for too much'),
    ]);
  });

  test('refuses a file that is no plan by its size', () => {
    expect(linesOf(`# ${'x'.repeat(2 ** 20)}`)).toEqual(['plan.yaml:1:1 expected a plan of at most 1 MiB']);
  });

  test('refuses keys that are not text, which YAML would read as numbers', () => {
    const issues = issuesOf(
      SMALLEST.replace('{ column: tenant_id }', '{ column: tenant_id, known: { 010: { region: eu } } }'),
    );

    expect(issues).toEqual([
      expect.objectContaining({
        line: 5,
        path: 'tenants.known.10',
        message: 'expected a key that is text; put it into quotes',
      }),
    ]);
  });

  test.each([
    ['a URL', 'urlEnv: "postgresql://app:hunter2@db/shop"'],
    ['a URL under an unknown key', 'connection: postgres://app:hunter2@db/shop'],
    ['a connection string', 'host: "host=db user=app password=hunter2"'],
    ['a password', 'password: hunter2'],
    ['a password in the place of an ARN', 'secretArn: hunter2'],
  ])('refuses %s in the file, with advice and without repeating it', (_, entry) => {
    const yaml = SMALLEST.replace(/^legacy: .*$/m, `legacy: { driver: pg, database: shop, ${entry} }`);

    const text = linesOf(yaml).join('\n');

    expect(text).toMatch(/secretArn|Secrets Manager/);
    expect(text).not.toContain('hunter2');
  });

  test('does not repeat a secret where the file is no YAML either', () => {
    expect(linesOf('name: "shop" "hunter2"\n').join('\n')).not.toContain('hunter2');
  });

  test.each(['__proto__', 'constructor', 'toString'])('treats %s as any unknown key and any missing table', (word) => {
    const yaml = SMALLEST.replace('parent: orders', `parent: ${word}`).replace('updatedAtColumn', word);

    expect(issuesOf(yaml).map(({ path }) => path)).toEqual(
      expect.arrayContaining([`tables.orders.${word}`, 'tables.order_lines.tenant.parent']),
    );
  });
});

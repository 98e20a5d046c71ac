import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPlan, PlanError } from '../../lib/plan/plan.ts';

const arn = (name: string) => `arn:aws:secretsmanager:eu-central-1:111122223333:secret:${name}`;
const cluster = (name: string) => ({
  driver: 'rds-data',
  clusterArn: `arn:aws:rds:eu-central-1:111122223333:cluster:${name}`,
  secretArn: arn(name),
  database: 'shop',
});

function aPlan(changes: Record<string, unknown> = {}) {
  return {
    name: 'shop',
    environment: 'dev',
    legacy: cluster('legacy'),
    target: cluster('target'),
    tenants: { column: 'tenant_id' },
    tables: { orders: {}, lines: { tenant: { parent: 'orders', on: { order_id: 'id' } } } },
    ...changes,
  };
}

function issuesOf(plan: object): string[] {
  try {
    loadPlan(stringify(plan), 'plan.yaml');
    return [];
  } catch (error) {
    if (error instanceof PlanError) return error.issues.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
}

const withColumns = (columns: object, more: object = {}) => aPlan({ tables: { orders: { columns, ...more } } });
const withParents = (parents: Record<string, string | null>) =>
  aPlan({
    tables: Object.fromEntries(
      Object.entries(parents).map(([name, parent]) => [
        name,
        parent === null ? {} : { tenant: { parent, on: { a: 'b' } } },
      ]),
    ),
  });

test('the plan that these tests change is right', () => {
  expect(issuesOf(aPlan())).toEqual([]);
});

describe('columns', () => {
  test.each([
    ['neither from, owner nor drop', { a: {} }, 'columns.a: expected `from`'],
    ['from without a way back', { a: { from: 'b' } }, 'columns.a: expected `back` beside `from`'],
    [
      'back and one-way',
      { a: { from: 'b', back: 'a', oneWay: true } },
      'columns.a.back: expected `back` or `oneWay: true`',
    ],
    ['from beside drop', { a: { from: 'b', drop: true } }, 'columns.a.from: expected nothing beside `drop: true`'],
    [
      'owner beside drop',
      { a: { owner: 'target', drop: true } },
      'columns.a.owner: expected nothing beside `drop: true`',
    ],
    [
      'from beside owner',
      { a: { from: 'b', owner: 'target' } },
      'columns.a.from: expected nothing beside `owner: target`',
    ],
    ['another owner', { a: { owner: 'legacy' } }, 'columns.a.owner: expected one of: target'],
    ['an empty expression', { a: { from: ' ', oneWay: true } }, 'this one is empty'],
    ['an open quote', { a: { from: "b || 'x", oneWay: true } }, 'a quote is not closed'],
    ['two statements', { a: { from: 'b; DROP TABLE c', oneWay: true } }, 'a semicolon would end it'],
    ['an open bracket', { a: { from: 'lower(b', oneWay: true } }, '")" is missing'],
    ['a bracket too many', { a: { from: 'b)', oneWay: true } }, '")" closes nothing'],
    ['a comment', { a: { from: 'b -- c', oneWay: true } }, 'comments are not allowed'],
    ['a parameter', { a: { from: '$1', oneWay: true } }, 'parameters'],
  ])('refuses %s', (_, columns, expected) => {
    expect(issuesOf(withColumns(columns))).toEqual([expect.stringContaining(expected)]);
  });

  test.each(["coalesce(note, 'it''s; -- fine')", '"a""b" || (tags)[1]', "payload ->> 'a' || cost$eur"])(
    'takes the expression %s',
    (from) => {
      expect(issuesOf(withColumns({ a: { from, oneWay: true } }))).toEqual([]);
    },
  );

  test('that Crossfade relies on must be carried', () => {
    const columns = {
      amount: { drop: true },
      score: { owner: 'target' },
      changed: { drop: true },
      tenant_id: { owner: 'target' },
    };

    const issues = issuesOf(withColumns(columns, { criticalColumns: ['amount', 'score'], updatedAtColumn: 'changed' }));

    expect(issues.map((issue) => issue.split(':')[0]).sort()).toEqual([
      'tables.orders.columns.tenant_id',
      'tables.orders.criticalColumns.0',
      'tables.orders.criticalColumns.1',
      'tables.orders.updatedAtColumn',
    ]);
  });
});

describe('tables', () => {
  test('have parents that are in the plan', () => {
    expect(issuesOf(withParents({ orders: null, lines: 'ordres' }))).toEqual([
      'tables.lines.tenant.parent: expected a table of this plan; did you mean orders?',
    ]);
  });

  test('have parents that lead to a tenant column and not in a circle', () => {
    const issues = issuesOf(
      withParents({ a: 'b', b: 'c', c: 'a', outside: 'a', self: 'self', fine: 'root', root: null }),
    );

    expect(issues).toEqual([
      expect.stringContaining('circle: a → b → c → a'),
      expect.stringContaining('circle: b → c → a → b'),
      expect.stringContaining('circle: c → a → b → c'),
      expect.stringContaining('circle: self → self'),
    ]);
  });

  test('have parents that have a tenant', () => {
    const tables = {
      currencies: { tenant: 'none' },
      prices: { tenant: { parent: 'currencies', on: { currency: 'id' } } },
    };

    expect(issuesOf(aPlan({ tables }))).toEqual([expect.stringContaining('the tenant of currencies is none')]);
  });

  test('have no tenant column in a plan without tenants', () => {
    expect(issuesOf(aPlan({ tenants: 'none' }))).toEqual([
      'tables.lines.tenant: expected none or nothing: the plan says `tenants: none`',
    ]);
  });

  test('stand once, with or without the schema public', () => {
    expect(issuesOf(aPlan({ tables: { orders: {}, 'public.orders': {}, 'sales.orders': {} } }))).toEqual([
      expect.stringContaining('tables.orders: expected each table once'),
    ]);
  });

  test('are at least one, and have names of the catalogue', () => {
    expect(issuesOf(aPlan({ tables: {} }))).toEqual(['tables: expected at least one table']);
    expect(issuesOf(aPlan({ tables: { 'a.b.c': {}, '"Quoted"': {} } }))).toHaveLength(2);
  });

  test('are written alone by one service, which names tables of the plan', () => {
    const services = { one: { tables: ['orders'] }, two: { tables: ['orders', 'line'] } };

    expect(issuesOf(aPlan({ services }))).toEqual([
      'services.two.tables.0: expected a table that two alone writes; one has it too',
      'services.two.tables.1: expected a table of this plan; did you mean lines?',
    ]);
  });
});

describe('tenants', () => {
  test('have regions and services that the plan names, and stand once', () => {
    const known = [{ id: 'acme', region: 'mars' }, { id: 'acme' }, { id: 'globex', services: ['none'] }];

    expect(issuesOf(aPlan({ tenants: { column: 't', known }, regions: ['eu'] }))).toEqual([
      'tenants.known.0.region: expected one of `regions`: eu',
      'tenants.known.1.id: expected each tenant once; this one is listed before',
      'tenants.known.2.services.0: expected a service that `services` names',
    ]);
  });

  test.each([[[{ id: 42 }]], [[{ id: '*' }]]])('have ids that are text and not the implicit tenant: %j', (known) => {
    expect(issuesOf(aPlan({ tenants: { column: 't', known } }))).toEqual([
      expect.stringContaining('tenants.known.0.id: expected'),
    ]);
  });
});

describe('stores', () => {
  test('are two', () => {
    expect(issuesOf(aPlan({ target: cluster('legacy') }))).toEqual([
      expect.stringContaining('both stores are the same'),
    ]);
  });

  test.each([
    ['no address', { secretArn: arn('a') }, ['missing key host', 'missing key database']],
    ['no secret', { host: 'db', database: 'shop' }, ['missing key secretArn']],
    ['two addresses', { urlEnv: 'URL', host: 'db' }, ['expected urlEnv or host']],
    ['a URL as host', { secretArn: arn('a'), host: 'https://db', database: 'shop' }, ['expected a host name']],
    ['two identifiers', { urlEnv: 'URL', clusterIdentifier: 'a', instanceIdentifier: 'b' }, ['not both']],
  ])('of driver pg are refused with %s', (_, store, expected) => {
    expect(issuesOf(aPlan({ legacy: { driver: 'pg', ...store } }))).toEqual(
      expected.map((part) => expect.stringContaining(part)),
    );
  });

  test('have a driver that Crossfade has', () => {
    expect(issuesOf(aPlan({ legacy: { driver: 'mysql' } }))).toEqual([
      'legacy.driver: expected a mapping with driver: rds-data or driver: pg',
    ]);
  });

  test('need a pg store that RDS knows where an RDS Proxy is asked for', () => {
    const network = {
      vpcId: 'vpc-0123456789abcdef0',
      subnetIds: ['subnet-01234567', 'subnet-01234568'],
      securityGroupIds: ['sg-01234567'],
      rdsProxy: true,
    };

    expect(issuesOf(aPlan({ network }))).toEqual([expect.stringContaining('network.rdsProxy: expected a pg store')]);
  });

  test('have a secret for each purpose in staging and prod, and separate ones', () => {
    const secrets = {
      install: arn('i'),
      relay: arn('r'),
      apply: arn('r'),
      backfill: arn('r'),
      compare: arn('c'),
      fence: arn('i'),
    };

    const issues = issuesOf(aPlan({ environment: 'staging', legacy: { ...cluster('legacy'), roles: secrets } }));

    expect(issues).toEqual([
      'legacy.roles: expected a secret in `roles` for each purpose in staging; missing: read',
      expect.stringContaining(
        'legacy.roles.fence: expected a secret of its own in staging; this one is also that of install',
      ),
      'target.roles: expected a secret in `roles` for each purpose in staging; missing: install, relay, apply, backfill, compare, fence, read',
    ]);
  });

  test('take no URL from the environment in prod', () => {
    expect(issuesOf(aPlan({ environment: 'prod', legacy: { driver: 'pg', urlEnv: 'URL' } }))).toContainEqual(
      expect.stringContaining('legacy.urlEnv: expected host, port, database and roles in prod'),
    );
  });
});

describe('numbers that depend on each other', () => {
  test.each([
    [
      'a target pool below legacy × multiplier',
      { pools: { legacy: 50, target: 49 } },
      'pools.target: expected at least 50',
    ],
    [
      'a window shorter than the cycle',
      { reconcile: { window: '30m' } },
      'reconcile.window: expected at least `reconcile.cycle` (1h)',
    ],
    [
      'a gate without a full pass in it',
      { reconcile: { gate: { for: '1h' } } },
      'reconcile.fullEvery: expected at most `reconcile.gate.for` (1h)',
    ],
    [
      'cycles in which no table is due',
      { tables: { orders: { every: '2h' } } },
      'reconcile.cycle: expected the interval of the table that is compared most often (2h)',
    ],
    [
      'chunks smaller than their parts',
      { reconcile: { chunkRows: 50 } },
      'reconcile.splitRows: expected at most `reconcile.chunkRows` (50)',
    ],
    [
      'a recheck within the lag',
      { reconcile: { recheckAfter: '400ms' } },
      'reconcile.recheckAfter: expected more than `relay.poll` (500ms)',
    ],
    ['a relay that leaves gaps', { relay: { runFor: '50s' } }, 'relay.runFor: expected at least `relay.schedule` (1m)'],
    [
      'a backoff above its maximum',
      { backfill: { backoff: { first: '2m' } } },
      'backfill.backoff.first: expected at most',
    ],
    [
      'a window that ends before it begins',
      { windows: { cutover: { min: '49h' } } },
      'windows.cutover.min: expected at most the max of the window (2d); got 49h',
    ],
    [
      'exposure that ends early',
      { dualWrite: { steps: [10, 50] } },
      'dualWrite.steps: expected percentages that rise and end at 100',
    ],
    [
      'log retention that CloudWatch lacks',
      { retention: { logs: '8d' } },
      'retention.logs: expected a retention that CloudWatch has',
    ],
    ['an unknown time zone', { backfill: { offPeak: '22:00-06:00 Europe/Berlon' } }, '"Europe/Berlon" is not known'],
    ['a window of no length', { backfill: { offPeak: '22:00-22:00 UTC' } }, 'ends at different times'],
    ['an hour that no clock has', { backfill: { offPeak: '24:00-06:00 UTC' } }, 'expected a daily window'],
    ['half minutes of a flag ramp', { flags: { ramp: '90s' } }, 'flags.ramp: expected a multiple of 1m; got 90s'],
  ])('refuse %s', (_, changes, expected) => {
    expect(issuesOf(aPlan(changes))).toEqual([expect.stringContaining(expected)]);
  });
});

test('a fault of one table hides no fault of another', () => {
  const tables = {
    orders: { capture: 'magic' },
    lines: { columns: { a: {} }, tenant: { parent: 'orders', on: { b: 'c' } } },
  };

  expect(issuesOf(aPlan({ tables, pools: { target: 1 } })).map((issue) => issue.split(':')[0])).toEqual([
    'tables.orders.capture',
    'tables.lines.columns.a',
    'pools.target',
  ]);
});

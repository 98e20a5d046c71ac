import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../../lib/adapters/memory/clock.ts';
import type { Deps } from '../../lib/application/deps.ts';
import { breakerNumbers, createReadBreaker } from '../../lib/application/reads/read-breaker.ts';
import { ReadProblem } from '../../lib/application/reads/read-problem.ts';
import { readShapes } from '../../lib/application/reads/read-shapes.ts';
import {
  createReadRouter,
  type ReadAnswer,
  type ReadRequest,
  type ReadRouter,
} from '../../lib/application/reads/route-read.ts';
import { readRouting } from '../../lib/application/reads/routing.ts';
import { createTenantStages } from '../../lib/application/reads/tenant-stages.ts';
import { setStage } from '../../lib/application/tenants/exposure.ts';
import type { StoreName } from '../../lib/domain/direction.ts';
import { type Databases, SqlError, type SqlStore } from '../../lib/ports/sql.ts';
import type { TestMigration } from '../support/migration.ts';
import { aReadableMigration } from '../support/reads.ts';

let system: TestMigration;
let clock: VirtualClock;

beforeAll(async () => {
  clock = createVirtualClock();
  system = await aReadableMigration('reads: { timeout: 200ms, failureThreshold: 2, breakerOpenFor: 30s }', { clock });
});

afterAll(async () => {
  await system.close();
});

const row = (key: string, more: Partial<ReadRequest> = {}): ReadRequest => ({
  tenant: 'acme',
  table: 'orders',
  what: { kind: 'row', key },
  position: null,
  ...more,
});
const page = (after: string | null, limit: number): ReadRequest => ({
  tenant: 'acme',
  table: 'orders',
  what: { kind: 'page', after, limit },
  position: null,
});

/** A new container: nothing is cached. */
async function aRouter(change: Partial<Deps> = {}): Promise<ReadRouter> {
  const tables = await readShapes(system.deps);
  return createReadRouter({ ...system.deps, ...change }, tables);
}

async function atStage(stage: 'dualwrite' | 'live' | 'rampdown', percent: number): Promise<void> {
  await setStage(system.deps, 'forward', ['acme', 'globex', '*'], stage, percent, 'test');
  await system.deps.documents.remove('breaker', 'target-read');
}

/** The databases, with one store's reads replaced. */
function withReads(store: StoreName, query: () => Promise<readonly never[]>): Databases {
  const { databases } = system.deps;
  const broken: SqlStore = { ...databases.open(store, 'read'), query };
  return {
    ...databases,
    open: (name, purpose) => (name === store && purpose === 'read' ? broken : databases.open(name, purpose)),
  };
}

const never = () => new Promise<never>(() => {});
const refused = async () => {
  throw new SqlError('the store cannot be reached', { kind: 'unavailable' });
};

async function counted(): Promise<Record<string, number>> {
  const buckets = await system.deps.documents.list('reads');
  const sums: Record<string, number> = {};
  for (const { value } of buckets)
    for (const [name, count] of Object.entries(value)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

describe('an answer', () => {
  it('is the same text from both stores, in the target’s shape', async () => {
    await atStage('dualwrite', 0);
    const fromLegacy = await (await aRouter()).read(row('[2, "ä"]'));
    await atStage('live', 100);
    const fromTarget = await (await aRouter()).read(row('[2, "ä"]'));

    expect(fromLegacy.servedBy).toBe('legacy');
    expect(fromTarget.servedBy).toBe('target');
    expect(fromTarget.rows).toEqual(fromLegacy.rows);
    expect(JSON.parse(fromTarget.rows[0]?.row ?? '')).toMatchObject({
      full_name: 'Ann n2',
      amount: 0.5,
      ratio: 0.30000000000000004,
      raw: '\\x00ff',
    });
    expect(fromTarget.rows[0]?.row).toContain('"amount":0.50');
  });

  it('pages through a tenant’s rows in one order, whatever the stores’ collations are', async () => {
    await atStage('dualwrite', 0);
    const legacy = await aRouter();
    await atStage('live', 100);
    const target = await aRouter();
    const keys: string[] = [];
    let after: string | null = null;
    do {
      const one: ReadAnswer = await legacy.read(page(after, 7));
      const other = await target.read(page(after, 7));
      expect(other.rows).toEqual(one.rows);
      expect(other.more).toBe(one.more);
      keys.push(...one.rows.map(({ row_key }) => row_key));
      after = one.more ? (one.rows.at(-1)?.row_key ?? null) : null;
    } while (after !== null);

    expect(keys).toHaveLength(24);
    expect(new Set(keys).size).toBe(24);
  });

  it('holds rows of the asked tenant only, through a parent too, and shared rows for anybody', async () => {
    await atStage('live', 100);
    const router = await aRouter();
    const [line] = (
      await system.legacy.query(
        `SELECT l.id FROM lines l JOIN orders o ON o.id = l.order_id AND o.part = l.part WHERE o.tenant_id = 'globex' LIMIT 1`,
      )
    ).rows as { id: string }[];

    expect((await router.read(row('[1,"B"]'))).rows).toEqual([]);
    expect((await router.read({ ...row(`["${line?.id}"]`), table: 'lines' })).rows).toEqual([]);
    expect((await router.read({ ...row(`["${line?.id}"]`), table: 'lines', tenant: 'globex' })).rows).toHaveLength(1);
    expect((await router.read({ ...row('["EUR"]'), table: 'currencies' })).rows).toHaveLength(1);
  });

  it('says what is wrong with a key and does not blame the target for it', async () => {
    await atStage('live', 100);
    const router = await aRouter();

    for (let count = 0; count < 3; count += 1)
      await expect(router.read(row('["x","y"]'))).rejects.toMatchObject({ kind: 'bad-key' });
    await expect(router.read({ ...row('[1]'), table: 'nothing' })).rejects.toBeInstanceOf(ReadProblem);
    expect((await router.read(row('[2,"ä"]'))).servedBy).toBe('target');
  });
});

describe('a target that does not answer', () => {
  it('in time is answered for by legacy at once, and is left alone after two such reads', async () => {
    await atStage('live', 100);
    const before = await counted();
    const router = await aRouter({ databases: withReads('target', never) });
    const slowRead = async () => {
      const reading = router.read(row('[2,"ä"]'));
      // Two steps: what comes before the target's own time is done when the first one ends.
      while (clock.sleepers === 0) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(200);
      return reading;
    };

    const [first, second] = [await slowRead(), await slowRead()];
    const third = await router.read(row('[2,"ä"]'));

    expect([first.fallback, second.fallback, third.fallback]).toEqual(['timeout', 'timeout', 'open']);
    expect(new Set([first, second, third].map(({ servedBy }) => servedBy))).toEqual(new Set(['legacy']));
    const after = await counted();
    expect((after.fallbacks ?? 0) - (before.fallbacks ?? 0)).toBe(3);
    expect((after.fallbackOpen ?? 0) - (before.fallbackOpen ?? 0)).toBe(1);
  });

  it('is tried again by one probe, which closes the breaker', async () => {
    await atStage('live', 100);
    const broken = await aRouter({ databases: withReads('target', refused) });
    await broken.read(row('[2,"ä"]'));
    await broken.read(row('[2,"ä"]'));
    const healed = await aRouter();
    expect((await healed.read(row('[2,"ä"]'))).fallback).toBe('open');

    await clock.advance(30_000);

    expect(await healed.read(row('[2,"ä"]'))).toMatchObject({ servedBy: 'target', fallback: null });
    expect((await system.deps.documents.get('breaker', 'target-read'))?.value).toMatchObject({
      state: 'closed',
      openings: 1,
    });
  });

  it('has nobody to answer for it once legacy reads are disabled', async () => {
    await atStage('rampdown', 0);
    const router = await aRouter({ databases: withReads('target', refused) });

    await expect(router.read(row('[2,"ä"]'))).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('a reader that demands its own write', () => {
  it('is answered by legacy until the relay has delivered it', async () => {
    await atStage('live', 100);
    await system.legacy.query(
      `GRANT SELECT (seq, state, old_tenant, new_tenant) ON crossfade.outbox TO "${system.roles.read}"`,
    );
    await system.legacy.query(
      `INSERT INTO crossfade.outbox (seq, epoch, xid, idempotency_key, table_name, row_key, op, new_tenant) VALUES (41, 1, pg_current_xact_id(), 'k', 'orders', '[2, "ä"]', 'U', 'acme')`,
    );
    const router = await aRouter();

    expect(await router.read(row('[2,"ä"]', { position: '41' }))).toMatchObject({
      servedBy: 'legacy',
      fallback: 'behind',
    });
    expect(await router.read(row('[2,"ä"]', { position: '40' }))).toMatchObject({ servedBy: 'target', fallback: null });
    expect(await router.read({ ...row('[1,"B"]', { position: '41' }), tenant: 'globex' })).toMatchObject({
      servedBy: 'target',
    });
    await system.legacy.query(`UPDATE crossfade.outbox SET state = 'published' WHERE seq = 41`);
    expect(await router.read(row('[2,"ä"]', { position: '41' }))).toMatchObject({ servedBy: 'target', fallback: null });
  });
});

describe('a control table that is down', () => {
  const down = async (): Promise<never> => {
    throw new Error('DynamoDB is down');
  };

  it('leaves the last known stage in force', async () => {
    await atStage('live', 100);
    let isDown = false;
    const list: Deps['documents']['list'] = (kind, range) =>
      isDown ? down() : system.deps.documents.list(kind, range);
    const router = await aRouter({
      documents: {
        ...system.deps.documents,
        list,
        get: (kind, id) => (isDown ? down() : system.deps.documents.get(kind, id)),
      },
    });
    await router.read(row('[2,"ä"]'));

    isDown = true;
    await clock.advance(10_000);

    expect((await router.read(row('[2,"ä"]'))).servedBy).toBe('target');
  });

  it('sends a container that has never seen a stage to the authoritative store', async () => {
    await atStage('live', 100);
    const documents = { ...system.deps.documents, list: down, get: down, add: down, put: down };
    const router = await aRouter({ documents });

    expect((await router.read(row('[2,"ä"]'))).servedBy).toBe('legacy');
  });

  it('and a target that is down at a start leave reads of legacy', async () => {
    await atStage('dualwrite', 0);
    await readShapes(system.deps);
    const databases = withReads('target', refused);

    const tables = await readShapes({ ...system.deps, databases });
    const router = createReadRouter({ ...system.deps, databases }, tables);

    expect([...tables.keys()]).toEqual(['currencies', 'orders', 'lines']);
    expect((await router.read(row('[2,"ä"]'))).servedBy).toBe('legacy');
  });
});

describe('the routing document', () => {
  it('tells a caller the routing of its tenants', async () => {
    await atStage('live', 10);
    const known = {
      stages: createTenantStages(system.deps),
      breaker: createReadBreaker(system.deps, breakerNumbers(system.plan)),
    };

    const routing = await readRouting(system.deps, known, ['acme']);

    expect(routing.tenants).toHaveLength(1);
    expect(routing).toMatchObject({
      route: '/api/v2/data',
      breaker: { state: 'closed' },
      tenants: [
        {
          tenant: 'acme',
          stage: 'live',
          reads: { primary: 'target', fallback: 'legacy', percent: 10 },
          writes: 'legacy',
          authoritative: 'legacy',
        },
      ],
    });
  });
});

/** Who the tenants are, found without reading every row where an index allows it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allTenants } from '../../lib/application/tenants/all-tenants.ts';
import type { Clock } from '../../lib/ports/clock.ts';
import { jumpTenants } from '../../lib/sql/tenants/list-tenants.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const SQL = `
CREATE TABLE public.indexed (id bigint PRIMARY KEY, tenant_id text);
CREATE INDEX ON public.indexed (tenant_id, id);
CREATE TABLE public.plain (id bigint PRIMARY KEY, tenant_id text NOT NULL);
INSERT INTO public.indexed SELECT i, (ARRAY['acme', 'globex', 'Ümlaut', NULL])[1 + i % 4] FROM generate_series(1, 4000) AS i;
INSERT INTO public.plain VALUES (1, 'initech');`;
const PLAN = 'tenants: { column: tenant_id, known: [{ id: planned }] }\ntables: { indexed: , plain: }';

let now = Date.parse('2026-01-01T00:00:00Z');
/** Every look at the clock costs this much. */
let stepMs = 0;
const clock: Clock = {
  now: () => {
    now += stepMs;
    return new Date(now);
  },
  sleep: async () => {},
};
let test: TestMigration;

beforeAll(async () => {
  test = await aMigration({ plan: PLAN, legacySql: SQL, clock });
});

afterAll(() => test?.close());

const tenants = async () => allTenants(await test.load(), 'legacy');

describe('all tenants', () => {
  it('are those of the plan and those that own rows; rows without a tenant are shared', async () => {
    expect(await tenants()).toEqual(['acme', 'globex', 'initech', 'planned', 'Ümlaut'].toSorted());
  });

  it('are found by jumping through an index, not by reading every row', async () => {
    await test.legacy.query('VACUUM ANALYZE indexed');
    const table = (await test.load()).byName.get('indexed');
    if (table === undefined) throw new Error('the plan has the table');
    const { text, values } = jumpTenants(table, 'tenant_id');

    const { rows } = await test.legacy.query({ text: `EXPLAIN ${text}`, values: [...values] });

    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).not.toContain('Seq Scan');
  });

  it('are looked for again in a table without an index only when many times as long has passed as it took', async () => {
    stepMs = 2_000;
    await tenants();
    stepMs = 0;
    await test.legacy.query(`INSERT INTO plain VALUES (2, 'late')`);

    const soon = await tenants();
    now += 200_000;
    const later = await tenants();

    expect(soon).not.toContain('late');
    expect(later).toContain('late');
  });
});

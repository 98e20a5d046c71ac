import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerRead } from '../../lambdas/data/handler.ts';
import { answerDryRun } from '../../lambdas/dry-run/handler.ts';
import { answerRouting } from '../../lambdas/routing/handler.ts';
import type { HttpAnswer, HttpEvent } from '../../lambdas/shared/http.ts';
import { setStage } from '../../lib/application/tenants/exposure.ts';
import type { TestMigration } from '../support/migration.ts';
import { aReadableMigration } from '../support/reads.ts';

const WEB = 'arn:aws:sts::111122223333:assumed-role/web/i-1';
const ACME = 'arn:aws:iam::111122223333:user/acme';

let system: TestMigration;

beforeAll(async () => {
  system = await aReadableMigration(
    `reads: { timeout: 5s, callers: { "arn:aws:iam::111122223333:role/web": "*", "${ACME}": [acme] } }`,
  );
  await setStage(system.deps, 'forward', ['acme', 'globex'], 'live', 100, 'test');
});

afterAll(async () => {
  await system.close();
});

function by(caller: string | null, event: HttpEvent): HttpEvent {
  return {
    ...event,
    requestContext: { requestId: 'r-1', authorizer: caller === null ? undefined : { iam: { userArn: caller } } },
  };
}

const read = (caller: string | null, query: Record<string, string>, headers = {}) =>
  answerRead(system.deps, by(caller, { queryStringParameters: query, headers }));
const dryRun = (caller: string | null, body: string) => answerDryRun(system.deps, by(caller, { body }));

function problem(answer: HttpAnswer): Record<string, unknown> {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const parsed: Record<string, unknown> = JSON.parse(answer.body);
  expect(parsed.status).toBe(answer.statusCode);
  return parsed;
}

describe('GET data', () => {
  it('answers with a row, untouched, and says who served it', async () => {
    const answer = await read(
      ACME,
      { tenant: 'acme', table: 'orders', key: '[2,"ä"]' },
      { 'x-correlation-id': 'web-7' },
    );

    expect(answer).toMatchObject({
      statusCode: 200,
      headers: { 'x-served-by': 'target', 'x-correlation-id': 'web-7' },
    });
    expect(answer.headers['x-fallback']).toBeUndefined();
    expect(answer.body).toContain('"amount":0.50');
    expect(JSON.parse(answer.body)).toMatchObject({
      tenant: 'acme',
      table: 'orders',
      key: [2, 'ä'],
      row: { full_name: 'Ann n2' },
    });
  });

  it('answers with pages that follow one another', async () => {
    const first = JSON.parse((await read(WEB, { tenant: 'globex', table: 'orders', limit: '20' })).body);
    const second = JSON.parse(
      (await read(WEB, { tenant: 'globex', table: 'orders', limit: '20', after: first.next })).body,
    );

    expect([first.rows.length, second.rows.length, second.next]).toEqual([20, 4, null]);
    expect(second.rows[0].id).toBeGreaterThan(first.rows[19].id);
  });

  it('refuses an unsigned caller, an unknown one, and another tenant', async () => {
    const query = { tenant: 'globex', table: 'orders', key: '[1,"B"]' };

    expect(problem(await read(null, query))).toMatchObject({
      status: 403,
      type: 'urn:crossfade:problem:unknown-caller',
    });
    expect(problem(await read('arn:aws:iam::111122223333:user/eve', query))).toMatchObject({ status: 403 });
    expect(problem(await read(ACME, query))).toMatchObject({
      status: 403,
      type: 'urn:crossfade:problem:tenant-not-yours',
    });
  });

  it.each([
    ['no table', { tenant: 'acme' }, 400],
    ['a key and a limit', { tenant: 'acme', table: 'orders', key: '[1,"a"]', limit: '3' }, 400],
    ['a key that is no list', { tenant: 'acme', table: 'orders', key: '1' }, 400],
    ['a key of the wrong type', { tenant: 'acme', table: 'orders', key: '["a","b"]' }, 400],
    ['a limit beyond all bounds', { tenant: 'acme', table: 'orders', limit: '100000' }, 400],
    ['a parameter that is not known', { tenant: 'acme', table: 'orders', where: '1=1' }, 400],
    ['a table that is not in the plan', { tenant: 'acme', table: 'pg_authid' }, 404],
    ['a row that is not there', { tenant: 'acme', table: 'orders', key: '[4711,"a"]' }, 404],
  ])('answers %s with a problem', async (_what, query, status) => {
    expect(problem(await read(WEB, query))).toMatchObject({ status });
  });

  it('refuses a position that is none, and cleans a correlation id that is not harmless', async () => {
    const answer = await read(
      WEB,
      { tenant: 'acme', table: 'orders' },
      { 'x-read-position': '1; DROP', 'x-correlation-id': 'a\nb' },
    );

    expect(problem(answer)).toMatchObject({ faults: ['x-read-position: expected an outbox position, a whole number'] });
    expect(answer.headers['x-correlation-id']).toBe('ab');
  });
});

describe('GET routing', () => {
  it('tells each caller of its own tenants', async () => {
    const all = JSON.parse((await answerRouting(system.deps, by(WEB, {}))).body);
    const own = JSON.parse((await answerRouting(system.deps, by(ACME, {}))).body);

    expect(all.tenants.map(({ tenant }: { tenant: string }) => tenant)).toEqual(['*', 'acme', 'globex']);
    expect(own.tenants).toHaveLength(1);
    expect(problem(await answerRouting(system.deps, by('arn:aws:iam::1:user/eve', {})))).toMatchObject({ status: 403 });
  });
});

describe('POST dry-run', () => {
  const body = (payload: string, more = '') =>
    `{"idempotency_key":"k-1","tenant_id":"acme"${more},"payload":${payload}}`;

  it('answers with the row as the target would hold it, with every digit', async () => {
    const answer = await dryRun(
      ACME,
      body('{"id":9007199254740993,"part":"x","tenant_id":"acme","first":"E","last":"D","amount":1.10}'),
    );

    expect(answer.statusCode).toBe(200);
    expect(answer.body).toContain('"id":9007199254740993');
    expect(answer.body).toContain('"amount":1.10');
    expect(JSON.parse(answer.body)).toMatchObject({
      dryRun: true,
      idempotencyKey: 'k-1',
      wouldWrite: true,
      violations: [],
      relay: { action: 'deliver' },
    });
  });

  it('answers a write that would fail with its violations', async () => {
    const answer = await dryRun(
      ACME,
      body('{"id":1,"part":"x","tenant_id":"acme","first":"E","last":"D","amount":-1}'),
    );

    expect(answer.statusCode).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({
      wouldWrite: false,
      row: null,
      faults: [{ kind: 'check', constraint: 'orders_amount_check' }],
    });
  });

  it('answers what it cannot understand with a problem', async () => {
    expect(problem(await dryRun(ACME, 'no json'))).toMatchObject({ status: 400 });
    expect(problem(await dryRun(ACME, '{"payload":{}}'))).toMatchObject({ status: 400 });
    expect(problem(await dryRun(ACME, body('{}', ',"table":"nothing"')))).toMatchObject({
      status: 400,
      type: 'urn:crossfade:problem:no-such-table',
    });
    expect(problem(await dryRun('arn:aws:iam::1:user/eve', body('{}')))).toMatchObject({ status: 403 });
  });
});

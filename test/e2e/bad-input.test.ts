/** What bad input gets on a deployed system: a clear error with the next command, and nothing lost. */
import { join } from 'node:path';
import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SFNClient, StopExecutionCommand } from '@aws-sdk/client-sfn';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL_REGION } from '../../lib/local/checkout.ts';
import { queryRows } from '../../lib/local/stores.ts';
import { type Answer, type Rehearsal, startRehearsal } from '../support/rehearsal.ts';

const TABLES = (amount: string) => `
CREATE ROLE bank_app;
CREATE TABLE public.accounts (id bigint PRIMARY KEY, tenant_id text NOT NULL, ${amount});
CREATE TABLE public.movements (account_id bigint NOT NULL REFERENCES public.accounts, position integer, note text, PRIMARY KEY (account_id, position));`;
const LEGACY = `${TABLES('cents bigint NOT NULL')}
INSERT INTO accounts SELECT n, CASE n % 2 WHEN 0 THEN 'acme' ELSE 'globex' END, n FROM generate_series(1, 3000) AS n;
INSERT INTO movements SELECT id, 1, NULL FROM accounts`;
const TARGET = TABLES('amount numeric(14,2) NOT NULL, risk integer NOT NULL DEFAULT 0');

let bank: Rehearsal;

beforeAll(async () => {
  bank = await startRehearsal({
    planFile: join(import.meta.dirname, 'bank.plan.yaml'),
    legacySql: LEGACY,
    targetSql: TARGET,
  });
  // Its server is stopped below, on purpose.
  bank.target.on('error', () => {});
}, 180_000);

afterAll(() => bank?.stop(), 60_000);

describe('before anything is installed', { timeout: 120_000 }, () => {
  it('a phase is refused before its gate, and says which one comes first', async () => {
    const answer = await start('backfill');

    expectRefused(answer, /dual-write-passed/, 'npx crossfade start dual-write');
    expect(await crossfadeSchemas()).toBe(0);
  });

  it('a table without a usable key is refused with its name and what makes it usable', async () => {
    await bank.legacy.query('ALTER TABLE movements DROP CONSTRAINT movements_pkey');

    const without = await start('baseline');
    await bank.legacy.query('ALTER TABLE movements ADD PRIMARY KEY (account_id, position) DEFERRABLE');
    const deferrable = await start('baseline');
    await bank.legacy.query(
      'ALTER TABLE movements DROP CONSTRAINT movements_pkey, ADD PRIMARY KEY (account_id, position)',
    );

    expectRefused(without, /movements.*(key|unique)/is);
    expectRefused(deferrable, /movements.*(key|deferrable)/is);
    expect(await crossfadeSchemas()).toBe(0);
  });

  it('a plan that names a missing column is refused with store, table and column', async () => {
    await bank.legacy.query('ALTER TABLE accounts RENAME cents TO pennies');
    const unmapped = await start('baseline');
    await bank.legacy.query('ALTER TABLE accounts RENAME pennies TO cents');
    await onTarget('ALTER TABLE accounts RENAME amount TO total');
    const uncritical = await start('baseline');
    await onTarget('ALTER TABLE accounts RENAME total TO amount');

    expectRefused(unmapped, /legacy.*accounts.*cents|accounts.*cents.*legacy/is);
    expectRefused(uncritical, /target.*accounts.*amount|accounts.*amount.*target/is);
    expect(await crossfadeSchemas()).toBe(0);
  });

  it('a store that cannot be reached fails the run with its name; when it is back the same command passes', async () => {
    await bank.environment.servers?.target.stop();
    const answer = await start('baseline');
    await bank.environment.servers?.target.restart();

    expectFailed(answer, /target/);
    await expectPassed('baseline');
  });

  it('a wrong secret fails the run with the name of the secret and no password; when it is right the same command passes', async () => {
    const client = new SecretsManagerClient(clientOptions());
    const SecretId = bank.environment.adopted.secrets.target.compare;
    const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId }));
    await client.send(
      new PutSecretValueCommand({
        SecretId,
        SecretString: JSON.stringify({ ...JSON.parse(SecretString), password: 'wrong-one' }),
      }),
    );
    // Who reads secrets may remember one for some seconds.
    let answer = await start('baseline');
    for (let tries = 0; answer.exitCode === 0 && tries < 5; tries++) answer = await start('baseline');
    await client.send(new PutSecretValueCommand({ SecretId, SecretString }));
    client.destroy();

    expectFailed(answer, /target.*(secret|password)/is);
    expect(JSON.stringify(answer.json)).not.toContain('wrong-one');
    await expectPassed('baseline');
  });
});

describe('with a migration under way', { timeout: 120_000 }, () => {
  it('the same phase started twice runs once: the second is refused with the run that holds it', async () => {
    const first = await bank.crossfade('start', 'dual-write', '--no-wait');
    const second = await start('dual-write');
    const ended = await bank.crossfade('runs', first.json.run.id, '--wait');

    expectRefused(second, /already running as/);
    expect(JSON.stringify(second.json)).toContain(first.json.run.id);
    expect(ended.json.run.state, told(ended)).toBe('passed');
    await expectPassed('dual-write');
  });

  it('a target that is down for a while costs no write', async () => {
    await bank.environment.servers?.target.stop();
    await bank.legacy.query(
      `UPDATE accounts SET cents = 777 WHERE id <= 10; INSERT INTO accounts VALUES (9000, 'acme', 9)`,
    );
    const answer = await start('backfill');
    await bank.environment.servers?.target.restart();

    expectFailed(answer, /target/);
    await eventually(
      async () => (await onTarget('SELECT 1 FROM accounts WHERE id = 9000 OR amount = 7.77')).length === 11,
      'every write of the outage arrives',
    );
  });

  it('an execution that is stopped half way is told as such, and started again it completes', async () => {
    const blocker = new pg.Client({ connectionString: bank.environment.stores.target.url });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE accounts IN SHARE MODE');
    const first = await bank.crossfade('start', 'backfill', '--no-wait');
    await eventually(
      async () => (await bank.crossfade('runs', first.json.run.id)).json.run.step === 'copy',
      'the copy has begun',
    );
    const client = new SFNClient(clientOptions());
    await client.send(new StopExecutionCommand({ executionArn: first.json.run.execution, cause: 'stopped by hand' }));
    client.destroy();
    await blocker.end();

    const stopped = await bank.crossfade('runs', first.json.run.id);
    const status = await bank.crossfade('status');
    const again = await start('backfill');

    expect(stopped).toMatchObject({
      exitCode: 1,
      json: { run: { state: 'failed' }, next: expect.stringContaining('start backfill') },
    });
    expect(status.json.machines.find((each: { machine: string }) => each.machine === 'backfill')).toMatchObject({
      running: null,
      last: { run: first.json.run.id, outcome: 'failed' },
    });
    expect(status.json.waitsFor.join('\n')).toContain('aborted');
    expect(again.exitCode, told(again)).toBe(0);
    const rows = 'SELECT count(*)::int AS count, sum(';
    const [legacy] = (await bank.legacy.query(`${rows}cents)::int AS sum FROM accounts`)).rows;
    const [target] = await onTarget(`${rows}amount * 100)::int AS sum FROM accounts`);
    expect(target).toEqual(legacy);
  });
});

const start = (machine: string) => bank.crossfade('start', machine, '--wait');
const told = ({ json, stderr }: Answer) => `${JSON.stringify(json, null, 1).slice(0, 3_000)}\n${stderr.slice(-1_500)}`;

function expectRefused(answer: Answer, why: RegExp, next?: string): void {
  expect(answer.exitCode, told(answer)).toBe(3);
  expect(answer.json.run.reasons.join('\n')).toMatch(why);
  if (next !== undefined) expect(answer.json.next).toContain(next);
}

async function expectPassed(machine: string): Promise<void> {
  const answer = await start(machine);
  expect(answer.exitCode, told(answer)).toBe(0);
}

function expectFailed(answer: Answer, why: RegExp): void {
  expect(answer.exitCode, told(answer)).toBe(1);
  expect(answer.json.run.error ?? answer.json.run.reasons.join('\n')).toMatch(why);
  expect(answer.json.next).toContain('npx crossfade start');
}

function clientOptions() {
  const { endpoint, credentials } = bank.environment;
  return { endpoint, credentials, region: LOCAL_REGION };
}

/** A session of its own: the target's server comes and goes. */
function onTarget(sql: string): Promise<readonly object[]> {
  return queryRows(bank.environment.stores.target.url, sql);
}

async function crossfadeSchemas(): Promise<number> {
  const { rows } = await bank.legacy.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'crossfade'`);
  return rows.length;
}

/** Waits for something to be true: bounded, by looking. */
async function eventually(look: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 120; tries++) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`not within a minute: ${what}`);
}

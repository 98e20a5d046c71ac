/** Deploying into an emulator that somebody else started: operated there, protected while a migration is under way, gone without a trace. */
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT } from '../../lib/local/checkout.ts';
import { type OwnEndpoint, startOwnEndpoint } from '../support/own-endpoint.ts';
import { type Rehearsal, startRehearsal } from '../support/rehearsal.ts';

const SQL = `CREATE TABLE public.accounts (id bigint PRIMARY KEY, tenant_id text NOT NULL, cents bigint NOT NULL);
CREATE TABLE public.movements (account_id bigint NOT NULL REFERENCES public.accounts, position integer, PRIMARY KEY (account_id, position));`;
const LEGACY = `CREATE ROLE bank_app; ${SQL} INSERT INTO accounts SELECT n, 'acme', n FROM generate_series(1, 100) AS n`;
const TARGET = `CREATE ROLE bank_app; ${SQL.replace('cents bigint NOT NULL', 'amount numeric(14,2) NOT NULL, risk integer NOT NULL DEFAULT 0')}`;

let endpoint: OwnEndpoint;
let bank: Rehearsal;
let isEnded = false;

beforeAll(async () => {
  endpoint = await startOwnEndpoint();
  bank = await startRehearsal({
    planFile: join(import.meta.dirname, 'bank.plan.yaml'),
    legacySql: LEGACY,
    targetSql: TARGET,
  });
}, 180_000);

afterAll(async () => {
  if (!isEnded) await bank?.stop();
  await endpoint?.stop();
}, 60_000);

describe('an endpoint of your own', { timeout: 120_000 }, () => {
  it('is used as AWS_ENDPOINT_URL says, and everything of the deployment is there', async () => {
    expect(bank.environment.endpoint).toBe(endpoint.url);

    const status = await bank.crossfade('status');
    const doctor = await bank.crossfade('doctor');

    expect(status.json).toMatchObject({ plan: 'bank', phase: 'baseline', protection: { on: false } });
    expect(doctor.exitCode, JSON.stringify(doctor.json)).toBe(0);
    expect(everyList(await endpoint.findCrossfade(), false)).toEqual([]);
  });

  it('keeps the stacks while a migration is under way, and status and doctor say why', async () => {
    const baseline = await bank.crossfade('start', 'baseline', '--wait');
    expect(baseline.exitCode, JSON.stringify(baseline.json)).toBe(0);

    const refused = await destroy();
    const status = await bank.crossfade('status');
    const doctor = await bank.crossfade('doctor');

    expect(refused.exitCode).not.toBe(0);
    expect(refused.output).toMatch(/TerminationProtection/);
    expect(status.json.protection).toMatchObject({ on: true, shouldBeOn: true });
    expect(status.json.protection.reason).toContain('a migration is under way since');
    expect(JSON.stringify(doctor.json)).toContain('a migration is under way since');
    expect(doctor.exitCode, JSON.stringify(doctor.json)).toBe(0);
    expect((await bank.crossfade('status')).json.phase).toBe('dual-write');
  });

  it('is left without a trace when the migration is rolled back and the stacks are destroyed', async () => {
    const rollback = await bank.crossfade('rollback', 'baseline', '--wait');
    expect(rollback.exitCode, JSON.stringify(rollback.json)).toBe(0);
    expect((await bank.crossfade('status')).json.protection.on).toBe(false);

    const destroyed = await destroy();

    expect(destroyed.exitCode, destroyed.output).toBe(0);
    expect(everyList(await endpoint.findCrossfade(), true)).toEqual([]);
    expect(await bank.crossfade('status')).toMatchObject({ exitCode: 2, json: { error: { exit: 2 } } });
  });

  it('goes on running when the environment is ended', async () => {
    isEnded = true;
    await bank.stop();

    expect(endpoint.isRunning()).toBe(true);
  });
});

/** Names of the lists that hold something of Crossfade, or that do not. */
function everyList(lists: Readonly<Record<string, boolean>>, holding: boolean): readonly string[] {
  return Object.keys(lists).filter((name) => lists[name] === holding);
}

async function destroy(): Promise<{ readonly exitCode: number; readonly output: string }> {
  const { folder, adopted, variables } = bank.environment;
  const result = await execa(
    process.execPath,
    [
      join(CHECKOUT, 'node_modules/aws-cdk/bin/cdk'),
      ...['destroy', '--all', '--force', '-c', `plan=${adopted.file}`],
      ...['--output', join(folder, 'destroy.out'), '--ci', '--no-notices', '--no-version-reporting'],
    ],
    { cwd: CHECKOUT, env: { ...variables, CDK_DISABLE_CLI_TELEMETRY: 'true' }, all: true, reject: false },
  );
  return { exitCode: result.exitCode ?? -1, output: result.all };
}

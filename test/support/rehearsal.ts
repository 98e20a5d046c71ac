/** A deployed system for end-to-end tests: the local environment in this process, operated by the `crossfade` command like anywhere else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { execa } from 'execa';
import pg from 'pg';
import { createSystems } from '../../lib/adapters/cloudformation/system.ts';
import { type LocalEnvironment, startEnvironment } from '../../lib/local/environment.ts';

export interface Answer {
  readonly exitCode: number;
  // The CLI's payloads are checked by test/cli; here only what a test asks for is looked at.
  // biome-ignore lint/suspicious/noExplicitAny: any payload
  readonly json: any;
  readonly stderr: string;
}

export interface Rehearsal {
  readonly environment: LocalEnvironment;
  /** Address of the deployed HTTP API. */
  readonly apiUrl: string;
  readonly legacy: pg.Client;
  readonly target: pg.Client;
  /** Runs `crossfade <args> --json` and waits for its end. */
  crossfade(...args: readonly string[]): Promise<Answer>;
  stop(): Promise<void>;
}

export interface RehearsalSpec {
  readonly planFile: string;
  readonly legacySql: string;
  readonly targetSql: string;
}

const CLI = join(import.meta.dirname, '../../bin/crossfade.js');

export async function startRehearsal({ planFile, legacySql, targetSql }: RehearsalSpec): Promise<Rehearsal> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-e2e-'));
  const environment = await startEnvironment({
    folder,
    planFile,
    fsync: false,
    prepare: async (stores) => {
      for (const [store, sql] of [
        ['legacy', legacySql],
        ['target', targetSql],
      ] as const) {
        const client = new pg.Client({ connectionString: stores[store].url });
        await client.connect();
        await client.query(sql);
        await client.end();
      }
    },
  });
  const clients = {
    legacy: new pg.Client({ connectionString: environment.stores.legacy.url }),
    target: new pg.Client({ connectionString: environment.stores.target.url }),
  };
  await clients.legacy.connect();
  await clients.target.connect();
  const { endpoint, credentials } = environment;
  const found = await createSystems(new CloudFormationClient({ endpoint, credentials, region: 'us-east-1' })).find(
    environment.plan.name,
  );
  return {
    environment,
    apiUrl: found?.outputs.apiUrl ?? '',
    ...clients,
    crossfade: async (...args) => {
      const result = await execa(process.execPath, [CLI, ...args, '--json', '--plan', environment.plan.name], {
        env: environment.variables,
        reject: false,
        timeout: 300_000,
      });
      return { exitCode: result.exitCode ?? -1, json: parse(result.stdout), stderr: result.stderr };
    },
    stop: async () => {
      await clients.legacy.end();
      await clients.target.end();
      await environment.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Two PostgreSQL servers with a database each, as somebody has them who rehearses on their own: Crossfade only gets the two URLs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { STORES, type StoreName } from '../../lib/domain/direction.ts';
import { createDatabase, runSql } from '../../lib/local/databases.ts';
import { type PostgresServer, removePostgresFolder, startPostgres } from '../../lib/local/postgres.ts';
import { URL_VARIABLES } from '../../lib/local/stores.ts';

export interface OwnServers {
  readonly servers: Readonly<Record<StoreName, PostgresServer>>;
  /** URLs of the databases; they stand in the variables until the test file ends. */
  readonly urls: Readonly<Record<StoreName, string>>;
  stop(): Promise<void>;
}

/** @param sql what each database holds before Crossfade comes. */
export async function startOwnServers(database: string, sql: Readonly<Record<StoreName, string>>): Promise<OwnServers> {
  const root = mkdtempSync(join(tmpdir(), 'crossfade-own-'));
  const folderOf = (store: StoreName) => join(root, store);
  const start = async (store: StoreName) => {
    const server = await startPostgres({
      major: store === 'legacy' ? 15 : 17,
      folder: folderOf(store),
      fsync: false,
    });
    const url = await createDatabase(server.url, database);
    await runSql(url, sql[store]);
    vi.stubEnv(URL_VARIABLES[store], url);
    return { server, url };
  };
  const [legacy, target] = await Promise.all([start('legacy'), start('target')]);
  return {
    servers: { legacy: legacy.server, target: target.server },
    urls: { legacy: legacy.url, target: target.url },
    stop: async () => {
      vi.unstubAllEnvs();
      await Promise.all([legacy.server.stop(), target.server.stop()]);
      for (const store of STORES) removePostgresFolder(folderOf(store));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

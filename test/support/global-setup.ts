/** One PostgreSQL of each major for the whole run; durability is off, because a crash of the machine may lose everything. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { removePostgresFolder, startPostgres } from '../../lib/local/postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Superuser URLs of the servers that stand for the two stores. */
    servers: { readonly legacy: string; readonly target: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-test-'));
  const folders = { legacy: join(folder, 'legacy'), target: join(folder, 'target') };
  const settings = { max_connections: '200' };
  const [legacy, target] = await Promise.all([
    startPostgres({ major: 15, folder: folders.legacy, fsync: false, settings }),
    startPostgres({ major: 17, folder: folders.target, fsync: false, settings }),
  ]);
  project.provide('servers', { legacy: legacy.url, target: target.url });
  return async () => {
    await Promise.all([legacy.stop(), target.stop()]);
    for (const used of Object.values(folders)) removePostgresFolder(used);
    rmSync(folder, { recursive: true, force: true });
  };
}

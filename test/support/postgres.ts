/** Real databases for tests: every test file has its own, so files run side by side. */
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type { StoreName } from '../../lib/domain/direction.ts';
import { createDatabase } from '../../lib/local/databases.ts';

/** Superuser URLs of the run's servers: legacy is PostgreSQL 15, target is PostgreSQL 17. */
export function testServers(): { readonly legacy: string; readonly target: string } {
  return inject('servers');
}

/** The superuser's URL of a new, empty database on the server that stands for `store`. */
export function freshDatabase(store: StoreName): Promise<string> {
  return createDatabase(testServers()[store], `test_${randomBytes(6).toString('hex')}`);
}

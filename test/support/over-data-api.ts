/** The databases of a test migration reached through the Data API front, with its limits and under Crossfade's own roles. */
import { createRdsDataStore } from '../../lib/adapters/rds-data/sql-store.ts';
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Databases, SqlStore } from '../../lib/ports/sql.ts';
import type { TestDataApi } from './data-api.ts';
import type { TestMigration } from './migration.ts';

export function overDataApi(api: TestDataApi, test: TestMigration): Databases {
  const stores = new Map<string, SqlStore>();
  return {
    pageBytes: 700_000,
    open: (store, purpose) => {
      const key = `${store}/${purpose}`;
      const opened =
        stores.get(key) ??
        createRdsDataStore({
          client: api.client,
          clock: systemClock,
          clusterArn: api.clusterArns[store],
          secretArn: api.addSecret(key, { username: test.roles[purpose], password: 'test-only' }),
          database: test[store].database ?? '',
        });
      stores.set(key, opened);
      return opened;
    },
    close: async () => {},
  };
}

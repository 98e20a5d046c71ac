import { afterAll } from 'vitest';
import { createPgStore } from '../../lib/adapters/pg/sql-store.ts';
import type { SqlStore } from '../../lib/ports/sql.ts';
import { freshDatabase } from '../support/postgres.ts';
import { describeSqlStore } from './sql.contract.ts';

const stores: SqlStore[] = [];

afterAll(() => Promise.all(stores.map((store) => store.close())));

for (const name of ['legacy', 'target'] as const) {
  describeSqlStore(`pg, ${name}`, async () => {
    const connectionString = await freshDatabase(name);
    const wrong = new URL(connectionString);
    wrong.password = 'wrong-password';
    const nobody = new URL(connectionString);
    nobody.port = '1';
    const [store, wrongSecret, unreachable] = [connectionString, wrong.toString(), nobody.toString()].map((url) =>
      createPgStore({ connectionString: url }),
    );
    if (store === undefined || wrongSecret === undefined || unreachable === undefined)
      throw new Error('three stores were made');
    stores.push(store, wrongSecret, unreachable);
    return { store, wrongSecret, unreachable };
  });
}

/** The two stores of a plan: an adapter by its driver, a session by the secret of its role (design §9), opened once. */
import type { RDSDataClient } from '@aws-sdk/client-rds-data';
import type { StoreName } from '../domain/direction.ts';
import type { PgStore, RdsDataStore } from '../plan/stores.ts';
import type { Clock } from '../ports/clock.ts';
import type { Databases, Purpose, SqlStore } from '../ports/sql.ts';
import { connectPg } from './pg/connect.ts';
import { createRdsDataClient, createRdsDataStore } from './rds-data/sql-store.ts';
import { nameStore } from './shared/name-store.ts';
import { createSecretReader, type ReadSecret } from './shared/secrets.ts';
import { systemClock } from './system-clock.ts';

/** What is read of the plan. */
export type StoresPlan = Readonly<Record<StoreName, Readonly<RdsDataStore> | Readonly<PgStore>>>;

export interface DatabasesOptions {
  readonly clock?: Clock | undefined;
  /** Default: one of the environment's region and endpoint. */
  readonly rdsData?: RDSDataClient | undefined;
  readonly readSecret?: ReadSecret | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Host of the RDS Proxy before a `pg` store; reads of a configured reader pass it by. */
  readonly proxyHosts?: Readonly<Record<StoreName, string | undefined>> | undefined;
  /** Folder of the deployed bundle, where a plan's `caBundle` lies. */
  readonly bundle?: URL | undefined;
}

/** The Data API ends a call at 1 MiB, counted in JSON: about a third goes to names and quotes. */
const DATA_API_PAGE_BYTES = 700_000;
const PG_PAGE_BYTES = 8 * 1024 * 1024;

export function openDatabases(plan: StoresPlan, options: DatabasesOptions = {}): Databases {
  const opened = new Map<string, SqlStore>();
  const clock = options.clock ?? systemClock;
  let rdsData = options.rdsData;
  let readSecret = options.readSecret;
  const connect = (name: StoreName, purpose: Purpose): SqlStore => {
    const store = plan[name];
    const secretArn = store.roles?.[purpose] ?? store.secretArn;
    if (store.driver === 'pg') {
      readSecret ??= createSecretReader();
      const { environment = process.env, bundle } = options;
      const proxyHost = options.proxyHosts?.[name] || undefined;
      return connectPg({ store, purpose, secretArn, readSecret, environment, proxyHost, bundle });
    }
    if (secretArn === undefined) {
      throw new TypeError(
        `store ${name} of the plan has no secret for role ${purpose}; add ${name}.roles.${purpose} or ${name}.secretArn`,
      );
    }
    rdsData ??= createRdsDataClient();
    const { clusterArn, database } = store;
    // A reader is answered by the other store instead of waiting for one that resumes.
    const resumeTries = purpose === 'read' ? 1 : undefined;
    return createRdsDataStore({ client: rdsData, clock, clusterArn, secretArn, database, resumeTries });
  };
  return {
    pageBytes:
      plan.legacy.driver === 'rds-data' || plan.target.driver === 'rds-data' ? DATA_API_PAGE_BYTES : PG_PAGE_BYTES,
    open: (name, purpose) => {
      const key = `${name}/${purpose}`;
      const known = opened.get(key);
      if (known !== undefined) return known;
      const store = nameStore(connect(name, purpose), {
        store: name,
        purpose,
        credentials: credentialsOf(plan[name], purpose),
      });
      opened.set(key, store);
      return store;
    },
    close: async () => {
      await Promise.all([...opened.values()].map((store) => store.close()));
      opened.clear();
      if (options.rdsData === undefined) rdsData?.destroy();
      rdsData = options.rdsData;
    },
  };
}

function credentialsOf(store: StoresPlan[StoreName], purpose: Purpose): string | undefined {
  return store.roles?.[purpose] ?? store.secretArn ?? (store.driver === 'pg' ? store.urlEnv : undefined);
}

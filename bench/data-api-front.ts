/** The Data API front, with Aurora's limits, as a process of its own: in the engine's process the two would wait for each other. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RDSDataClient } from '@aws-sdk/client-rds-data';
import { createRdsDataStore } from '../lib/adapters/rds-data/sql-store.ts';
import { systemClock } from '../lib/adapters/system-clock.ts';
import { STORES, type StoreName } from '../lib/domain/direction.ts';
import { NODE_FOLDER } from '../lib/local/checkout.ts';
import type { Plan } from '../lib/plan/plan.ts';
import { ROLE_PURPOSES } from '../lib/plan/stores.ts';
import type { Databases, SqlStore } from '../lib/ports/sql.ts';
import type { FrontOptions, FrontTraffic } from './data-api-front-process.ts';
import { type BenchRoles, urlAs } from './engine-deps.ts';
import type { BenchServers, Urls } from './servers.ts';

export interface Front {
  readonly url: string;
  /** Store sections of a plan whose functions reach the stores through the front. */
  sections(urls: Urls, roles: BenchRoles): Pick<Plan, StoreName>;
  /** Sessions of Crossfade's roles, through the front. */
  open(urls: Urls, roles: BenchRoles): Databases;
  /** What has gone through it since the last call. */
  traffic(): Promise<FrontTraffic>;
  stop(): void;
}

const CLUSTER = 'arn:aws:rds:us-east-1:000000000000:cluster:bench-';
const SECRET = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:';
/** As lib/adapters/databases.ts has it for the Data API. */
const PAGE_BYTES = 700_000;

export async function startFront(servers: BenchServers): Promise<Front> {
  const clusters = Object.fromEntries(
    STORES.map((store) => {
      const { hostname, port } = new URL(servers.urls[store]);
      return [`${CLUSTER}${store}`, { host: hostname, port: Number(port) }];
    }),
  );
  const options: FrontOptions = { clusters };
  const child = spawn(join(NODE_FOLDER, 'node'), [join(import.meta.dirname, 'data-api-front-process.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, CROSSFADE_BENCH_FRONT: JSON.stringify(options) },
  });
  const lines = createInterface({ input: child.stdout });
  const nextLine = () =>
    new Promise<string>((resolve, reject) => {
      const fail = (code: number | null) => reject(new Error(`the Data API front ended with code ${code}`));
      child.once('exit', fail);
      lines.once('line', (line) => {
        child.off('exit', fail);
        resolve(line);
      });
    });
  const url = await nextLine();
  const client = new RDSDataClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    maxAttempts: 1,
  });
  return {
    url,
    sections: (urls, roles) => {
      const section = (store: StoreName) => ({
        driver: 'rds-data' as const,
        clusterArn: `${CLUSTER}${store}`,
        database: databaseOf(urls[store]),
        roles: Object.fromEntries(
          ROLE_PURPOSES.map((purpose) => [purpose, secretOf(urlAs(urls, roles, store, purpose))]),
        ),
      });
      return { legacy: section('legacy'), target: section('target') };
    },
    open: (urls, roles) => {
      const opened = new Map<string, SqlStore>();
      return {
        pageBytes: PAGE_BYTES,
        open: (store, purpose) => {
          const key = `${store}/${purpose}`;
          const url = urlAs(urls, roles, store, purpose);
          const session =
            opened.get(key) ??
            createRdsDataStore({
              client,
              clock: systemClock,
              clusterArn: `${CLUSTER}${store}`,
              secretArn: secretOf(url),
              database: databaseOf(url),
            });
          opened.set(key, session);
          return session;
        },
        close: async () => {},
      };
    },
    traffic: async () => {
      const line = nextLine();
      child.stdin.write('\n');
      // Written by the process.
      return JSON.parse(await line) as FrontTraffic;
    },
    stop: () => {
      client.destroy();
      child.stdin.end();
    },
  };
}

/** The process makes the credentials of a secret out of its name. */
function secretOf(url: string): string {
  const { username, password } = new URL(url);
  return `${SECRET}${username}:${password}`;
}

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

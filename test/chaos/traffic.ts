/**
 * Writes of an application on legacy, from several sessions at once: hot rows, inserts, deletes, keys that change, unique values
 * that swap, tenants that change. Every write takes a stamp while it holds its row, so stamps of one key only grow. A ledger
 * keeps what was acknowledged; a commit whose answer was lost is not in it.
 */
import pg from 'pg';

export const TRAFFIC_SQL = (deferrable: string) => `
CREATE SEQUENCE public.stamps;
CREATE TABLE public.accounts (id bigint PRIMARY KEY, tenant_id text NOT NULL, handle text NOT NULL, stamp bigint NOT NULL, UNIQUE (handle) ${deferrable});
CREATE TABLE public.entries (
  account_id bigint NOT NULL REFERENCES public.accounts ON DELETE CASCADE ON UPDATE CASCADE, n bigint, stamp bigint NOT NULL, PRIMARY KEY (account_id, n)
);
`;

export const TRAFFIC_PLAN = `
tenants: { column: tenant_id }
tables: { accounts: , entries: { tenant: { parent: accounts, on: { account_id: id } } } }
relay: { shards: 2, batchRows: 200, poll: 50ms, suspend: 300ms, lease: 1s }
`;

export interface Acknowledged {
  readonly table: 'accounts' | 'entries';
  /** As text, values joined by a comma. */
  readonly key: string;
  readonly stamp: number;
}

export interface Traffic {
  readonly ledger: readonly Acknowledged[];
  /** Errors that an application of this kind cannot have: mistakes of the test, or of capture. */
  readonly failures: ReadonlySet<string>;
  readonly transactions: () => number;
  stop(): Promise<void>;
}

export interface TrafficOptions {
  readonly sessions?: number;
  /** Transactions a second that all sessions together aim at; default: as many as come with a pause of 12 ms after each. */
  readonly perSecond?: number | undefined;
  /** Accounts that are left alone from the moment they are in here. */
  readonly frozen?: ReadonlySet<string>;
  /** How many in a thousand are swaps, key updates, deletes with children or moves, whose events hold each other up. Default: four in ten. */
  readonly roughPerMille?: number;
}

/** Deadlock, serialization, and a value or parent that another session has taken away. */
const OWN_TROUBLE = new Set(['40P01', '40001', '23505', '23503']);
const SESSIONS = 4;
const PAUSE_MS = 12;
const HOT = 12;
/** The last one is off. */
const TENANTS = ['acme', 'globex', 'umbrella'];

export const SEED_ROWS = `INSERT INTO accounts SELECT i, CASE WHEN i % 2 = 0 THEN 'acme' ELSE 'globex' END, 'h' || i, nextval('stamps') FROM generate_series(1, ${HOT}) AS i;
INSERT INTO entries SELECT i, 1, nextval('stamps') FROM generate_series(1, ${HOT}) AS i`;

export function startTraffic(
  url: string,
  random: () => number,
  { sessions: count = SESSIONS, perSecond, frozen = new Set(), roughPerMille }: TrafficOptions = {},
): Traffic {
  const ledger: Acknowledged[] = [];
  const failures = new Set<string>();
  let stopped = false;
  let done = 0;
  let nextId = 1_000;
  const pick = (count: number) => Math.floor(random() * count);
  const session = async () => {
    let client: pg.Client | undefined;
    const everyMs = perSecond === undefined ? undefined : (1_000 * count) / perSecond;
    let due = performance.now();
    while (!stopped) {
      try {
        client ??= await open(url);
        const wrote = await writeOnce(client, pick, () => ++nextId, frozen, kindOf(pick, roughPerMille));
        ledger.push(...wrote);
        done += 1;
      } catch (error) {
        // A deadlock, or a unique value taken meanwhile, is the application's own; anything else means that legacy is gone.
        const { severity, code, message } = error as Error & { severity?: string; code?: string };
        if (severity === 'ERROR' && client !== undefined) {
          if (!OWN_TROUBLE.has(code ?? '')) failures.add(`${code} ${message}`);
          await client.query('ROLLBACK').catch(() => undefined);
          continue;
        }
        await client?.end().catch(() => undefined);
        client = undefined;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      due = everyMs === undefined ? performance.now() + PAUSE_MS : Math.max(due + everyMs, performance.now());
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    }
    await client?.end().catch(() => undefined);
  };
  const sessions = Array.from({ length: count }, session);
  return {
    ledger,
    failures,
    transactions: () => done,
    stop: async () => {
      stopped = true;
      await Promise.all(sessions);
    },
  };
}

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const ROUGH = [5, 6, 7, 9];
const SMOOTH = [0, 1, 2, 3, 4, 10, 11, 12];

function kindOf(pick: (count: number) => number, roughPerMille: number | undefined): number {
  if (roughPerMille === undefined) return pick(10);
  const kinds = pick(1_000) < roughPerMille ? ROUGH : SMOOTH;
  return kinds[pick(kinds.length)] ?? 0;
}

async function writeOnce(
  client: pg.Client,
  pick: (count: number) => number,
  newId: () => number,
  frozen: ReadonlySet<string>,
  kind: number,
): Promise<readonly Acknowledged[]> {
  const written: Acknowledged[] = [];
  const run = async (table: Acknowledged['table'], sql: string, values: readonly unknown[]) => {
    const key = table === 'accounts' ? 'id::text' : `account_id || ',' || n`;
    const { rows } = await client.query<{ key: string; stamp: string }>(`${sql} RETURNING ${key} AS key, stamp`, [
      ...values,
    ]);
    written.push(...rows.map((row) => ({ table, key: row.key, stamp: Number(row.stamp) })));
  };
  const hot = async () => {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM accounts ORDER BY id LIMIT $1', [HOT * 2]);
    const free = rows.filter(({ id }) => !frozen.has(id));
    return free[pick(free.length)]?.id ?? '0';
  };
  await client.query('BEGIN');
  switch (kind) {
    case 0:
    case 1:
    case 2:
      await run('accounts', `UPDATE accounts SET stamp = nextval('stamps') WHERE id = $1`, [await hot()]);
      break;
    case 3:
    case 8: {
      const id = newId();
      await run('accounts', `INSERT INTO accounts VALUES ($1::bigint, $2, 'h' || $1::bigint, nextval('stamps'))`, [
        id,
        TENANTS[pick(2)],
      ]);
      await run(
        'entries',
        `INSERT INTO entries SELECT $1::bigint, i, nextval('stamps') FROM generate_series(1, 3) AS i`,
        [id],
      );
      break;
    }
    case 4:
      await run('entries', `INSERT INTO entries VALUES ($1, $2, nextval('stamps'))`, [await hot(), newId()]);
      break;
    case 5: {
      // Two rows swap; legacy's constraint is deferred to the end of the transaction.
      const [one, other] = [await hot(), await hot()];
      await run(
        'accounts',
        `UPDATE accounts SET handle = other.handle, stamp = nextval('stamps') FROM (SELECT id AS other_id, handle FROM accounts) AS other WHERE id IN ($1, $2) AND other_id IN ($1, $2) AND id <> other_id`,
        [one, other],
      );
      break;
    }
    case 6:
      await client.query('DELETE FROM accounts WHERE id = $1', [await hot()]);
      break;
    case 7:
      // Children follow by ON UPDATE CASCADE.
      await run('accounts', `UPDATE accounts SET id = $2, stamp = nextval('stamps') WHERE id = $1`, [
        await hot(),
        newId(),
      ]);
      break;
    case 10:
      await client.query('DELETE FROM entries WHERE account_id = $1 AND n = $2', [await hot(), 1 + pick(3)]);
      break;
    case 11:
      // Often one that was deleted a moment ago.
      await run(
        'entries',
        `INSERT INTO entries SELECT id, $2::bigint, nextval('stamps') FROM accounts WHERE id = $1 ON CONFLICT DO NOTHING`,
        [await hot(), 1 + pick(3)],
      );
      break;
    case 12:
      // Entries of the accounts that came last, all at once.
      await run(
        'entries',
        `UPDATE entries SET stamp = nextval('stamps') WHERE account_id > $1 - 10 AND account_id < $1 AND account_id <> ALL ($2)`,
        [newId(), [...frozen]],
      );
      break;
    default:
      await run('accounts', `UPDATE accounts SET tenant_id = $2, stamp = nextval('stamps') WHERE id = $1`, [
        await hot(),
        TENANTS[pick(3)],
      ]);
  }
  await client.query('COMMIT');
  return written;
}

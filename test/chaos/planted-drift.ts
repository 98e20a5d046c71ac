/**
 * Differences that somebody makes in the target behind Crossfade's back, with the truth about each: whether it still stands, was
 * overwritten by an event that was on its way, or waits for one. A row that gets one is left alone by the traffic from then on.
 */
import type pg from 'pg';
import type { StoreName } from '../../lib/domain/direction.ts';

export interface Plant {
  readonly what: string;
  readonly table: 'accounts' | 'entries';
  readonly rowKey: string;
  /** Condition that finds the row in either store. */
  readonly where: string;
  /** The account that the traffic leaves alone for it. */
  readonly account: string;
  /** What the target holds since then, as text; null: no such row. */
  readonly left: string | null;
  /** When it was found, and repaired; or overwritten. */
  endedAt?: number;
  found: boolean;
  /** From when on nothing was on its way to it any more. */
  standsSince?: number | undefined;
  /** Cycles that began since then and have ended, by lane. */
  readonly cycles: Map<string, number>;
}

/** Ids that the traffic never comes to. */
export const COLD_IDS = 5_000_000;
export const COLD_ROWS = 60;

export const COLD_SQL = `INSERT INTO accounts SELECT ${COLD_IDS} + i, CASE WHEN i % 2 = 0 THEN 'acme' ELSE 'globex' END, 'cold' || i, nextval('stamps') FROM generate_series(1, ${COLD_ROWS}) AS i;
INSERT INTO entries SELECT ${COLD_IDS} + i, n, nextval('stamps') FROM generate_series(1, ${COLD_ROWS}) AS i, generate_series(1, 2) AS n WHERE i % 3 > 0`;

const PLACES = {
  cold: `id > ${COLD_IDS} AND id <= ${COLD_IDS + COLD_ROWS} ORDER BY random()`,
  warm: `id > 1000 AND id < ${COLD_IDS} ORDER BY id DESC`,
  hot: `id < ${COLD_IDS} ORDER BY id`,
} as const;
type Place = keyof typeof PLACES;

interface Kind {
  readonly what: string;
  readonly table: Plant['table'];
  /** In an account that the target has; `n` is another one each time. */
  readonly sql: (account: string, n: number) => string;
  readonly places: readonly Place[];
}

const entryOf = (account: string) =>
  `account_id = ${account} AND n = (SELECT min(n) FROM entries WHERE account_id = ${account})`;

const KINDS: readonly Kind[] = [
  account('a column that differs', "UPDATE accounts SET handle = handle || '~' WHERE id = $", ['hot', 'warm', 'cold']),
  account('a stamp that differs by one', 'UPDATE accounts SET stamp = stamp + 1 WHERE id = $', ['cold', 'hot', 'warm']),
  account(
    'a tenant that differs',
    `UPDATE accounts SET tenant_id = CASE tenant_id WHEN 'acme' THEN 'globex' ELSE 'acme' END WHERE id = $`,
    ['warm', 'cold', 'hot'],
  ),
  {
    what: 'an entry that is missing',
    table: 'entries',
    places: ['hot', 'cold', 'warm'],
    sql: (id) => `DELETE FROM entries WHERE ${entryOf(id)}`,
  },
  {
    what: 'an entry that differs',
    table: 'entries',
    places: ['cold', 'warm', 'hot'],
    sql: (id) => `UPDATE entries SET stamp = -stamp WHERE ${entryOf(id)}`,
  },
  {
    what: 'an entry too many',
    table: 'entries',
    places: ['warm', 'cold', 'hot'],
    sql: (id, n) => `INSERT INTO entries VALUES (${id}, ${9_000_000 + n}, 0)`,
  },
  {
    what: 'an account too many',
    table: 'accounts',
    places: ['cold'],
    sql: (_, n) => `INSERT INTO accounts VALUES (${8_000_000 + n}, 'acme', 'rogue${n}', 0)`,
  },
];

function account(what: string, sql: string, places: readonly Place[]): Kind {
  return { what, table: 'accounts', places, sql: (id) => sql.replace('$', id) };
}

export class Planter {
  readonly plants: Plant[] = [];
  readonly #stores: Readonly<Record<StoreName, pg.Pool>>;
  readonly #rogue: pg.Client;
  readonly #frozen: Set<string>;
  readonly #pick: (count: number) => number;
  #turn = 0;

  /** @param rogue a superuser's own session on the target, under the applier's name: past the fence, and without a version. */
  constructor(
    stores: Readonly<Record<StoreName, pg.Pool>>,
    rogue: pg.Client,
    frozen: Set<string>,
    random: () => number,
  ) {
    this.#stores = stores;
    this.#rogue = rogue;
    this.#frozen = frozen;
    this.#pick = (count) => Math.floor(random() * count);
  }

  open(): readonly Plant[] {
    return this.plants.filter(({ endedAt }) => endedAt === undefined);
  }

  /** The next kind at its next place; nothing where the target has no such row at the moment. */
  async plant(): Promise<void> {
    const turn = this.#turn++;
    const kind = KINDS[turn % KINDS.length];
    const place = kind?.places[Math.floor(turn / KINDS.length) % kind.places.length];
    if (kind === undefined || place === undefined) return;
    const { target } = this.#stores;
    const { rows } = await target.query<{ id: string }>(`SELECT id FROM accounts WHERE ${PLACES[place]} LIMIT 40`);
    const free = rows.filter(({ id }) => !this.#frozen.has(id));
    const id = free[this.#pick(Math.min(free.length, 12))]?.id;
    if (id === undefined) return;
    this.#frozen.add(id);
    const key = kind.table === 'accounts' ? 'id' : `account_id || ', ' || n`;
    // In one statement: the others look at a plant as soon as it is there.
    const sql = kind.sql(id, turn);
    const done = await this.#rogue.query<{ key: string; row: string }>(
      `${sql} RETURNING ${key} AS key, ${kind.table}::text AS row`,
    );
    const [planted] = done.rows;
    if (planted === undefined) {
      this.#frozen.delete(id);
      return;
    }
    const [first, second] = planted.key.split(', ');
    const where = kind.table === 'accounts' ? `t.id = ${first}` : `t.account_id = ${first} AND t.n = ${second}`;
    this.plants.push({
      what: `${kind.what}, ${place}`,
      table: kind.table,
      rowKey: `[${planted.key}]`,
      where,
      account: id,
      left: sql.startsWith('DELETE') ? null : planted.row,
      found: false,
      cycles: new Map(),
    });
  }

  end(plant: Plant): void {
    plant.endedAt = Date.now();
    this.#frozen.delete(plant.account);
  }

  /** Whether the plant is as it was planted, different from legacy, and nothing on its way to it; one that is gone ends. */
  async look(plant: Plant): Promise<'stands' | 'waits' | 'gone'> {
    const truth = await this.#truthOf(plant);
    if (truth === 'stands') plant.standsSince ??= Date.now();
    else {
      plant.standsSince = undefined;
      plant.cycles.clear();
    }
    if (truth === 'gone') this.end(plant);
    return truth;
  }

  async #truthOf({ table, rowKey, where, left }: Plant) {
    const tenant = table === 'accounts' ? 't.tenant_id' : '(SELECT tenant_id FROM accounts WHERE id = t.account_id)';
    const { legacy, target } = this.#stores;
    const has = await legacy.query<{ row: string }>(
      `SELECT t::text AS row FROM ${table} AS t WHERE ${where} AND ${tenant} <> 'umbrella'`,
    );
    const waiting = await legacy.query(
      `SELECT FROM crossfade.outbox WHERE table_name = $1 AND row_key = $2 AND state IN ('pending', 'retry')`,
      [table, rowKey],
    );
    const queued = await target.query('SELECT FROM crossfade.repair_queue WHERE table_name = $1 AND row_key = $2', [
      table,
      rowKey,
    ]);
    const got = await target.query<{ row: string }>(`SELECT t::text AS row FROM ${table} AS t WHERE ${where}`);
    const row = got.rows[0]?.row ?? null;
    if (row !== left || row === (has.rows[0]?.row ?? null)) return 'gone';
    return waiting.rowCount === 0 && queued.rowCount === 0 ? 'stands' : 'waits';
  }
}

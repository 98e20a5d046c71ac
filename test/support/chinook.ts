/** The Chinook sample database, where the machine has it: another shape than anything that the code was written for. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../../lib/local/checkout.ts';
import { withoutDatabaseCommands } from '../../lib/local/load-sql.ts';

export const CHINOOK_FILE = join(CHECKOUT, '../shared/data/chinook/chinook.sql');
export const CHINOOK_PLAN = join(CHECKOUT, 'examples/chinook/chinook.plan.yaml');

/** Each with its key, in the order in which rows are compared. */
export const CHINOOK_TABLES = {
  album: 'album_id',
  artist: 'artist_id',
  customer: 'customer_id',
  employee: 'employee_id',
  genre: 'genre_id',
  invoice: 'invoice_id',
  invoice_line: 'invoice_line_id',
  media_type: 'media_type_id',
  playlist: 'playlist_id',
  playlist_track: 'playlist_id, track_id',
  track: 'track_id',
} as const;

export interface ChinookSql {
  /** Tables, keys, foreign keys and indexes. */
  readonly schema: string;
  readonly rows: string;
}

/** Undefined where the file is absent, which a visible line says. */
export function readChinook(): ChinookSql | undefined {
  if (!existsSync(CHINOOK_FILE)) {
    process.stdout.write(`\nNOTICE: ${CHINOOK_FILE} is absent, so Chinook is not migrated in this run\n`);
    return undefined;
  }
  const sql = withoutDatabaseCommands(readFileSync(CHINOOK_FILE, 'utf8'));
  const firstRow = sql.indexOf('INSERT INTO');
  return { schema: sql.slice(0, firstRow), rows: sql.slice(firstRow) };
}

/** Every row of every table as ordered text: two stores hold the same when these are the same. Plain SQL, none of Crossfade's. */
export const ALL_CHINOOK_ROWS = Object.entries(CHINOOK_TABLES)
  .map(
    ([table, key]) =>
      `SELECT '${table}' AS name, count(*)::int AS rows, md5(string_agg(t::text, E'\\n' ORDER BY ${key})) AS content FROM ${table} AS t`,
  )
  .join('\nUNION ALL\n');

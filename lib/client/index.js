/**
 * Crossfade's client library: capture by a service itself, for tables with `capture: client` in the plan (protocol §3.5).
 * Plain JavaScript without dependencies, because it runs inside other people's services; types stand in index.d.ts.
 *
 * One capture a key that RETURNING gave, in the transaction of the write. Where Crossfade is not installed, or its capture has been
 * removed, everything works and captures nothing. Where capture fails, the transaction fails.
 */
export { overDataApi } from './data-api.js';

/** @type {WeakMap<object, Set<string>>} functions that a connection has seen; a removed capture leaves an idle function behind. */
const seen = new WeakMap();

/** A write that no capture followed, or rows that cannot be captured exactly. The transaction must not be committed. */
export class CaptureError extends Error {
  name = 'CaptureError';
}

/** See index.d.ts. */
export async function withCapture(client, options, work) {
  await (client.begin === undefined ? client.query('BEGIN') : client.begin());
  let result;
  let position;
  try {
    const tx = await joinTransaction(client, options);
    result = await work(tx);
    position = await tx.finish();
  } catch (error) {
    // The reason is worth more than a rollback that fails too: the server rolls back when the connection ends.
    await (client.rollback === undefined ? client.query('ROLLBACK') : client.rollback()).catch(() => undefined);
    throw error;
  }
  await (client.commit === undefined ? client.query('COMMIT') : client.commit());
  return { result, position };
}

/** See index.d.ts. */
export async function joinTransaction(client, options = {}) {
  if (options.correlationId !== undefined)
    await client.query(`SELECT set_config('crossfade.correlation_id', $1::text, true) AS correlation_id`, [
      options.correlationId,
    ]);
  const written = new Set();
  const captured = new Set();
  let position = null;

  const capture = async (table, rows, { oldTenant = null } = {}) => {
    captured.add(nameOf(table));
    if (rows.length === 0) return position;
    const list = JSON.stringify(rows.map((row) => checkedRow(table, row)));
    if (!(await isInstalled(client, table))) return position;
    try {
      const answer = await client.query(`SELECT ${functionOf(table)}($1::json, $2::text)::text AS position`, [
        list,
        oldTenant,
      ]);
      position = answer.rows[0]?.position ?? position;
    } catch (error) {
      seen.get(client)?.delete(nameOf(table));
      throw error;
    }
    return position;
  };

  const query = async (text, values) => {
    const answer = await (values === undefined ? client.query(text) : client.query(text, values));
    const table = writtenTable(text);
    if (table !== undefined && answer.rowCount !== 0) written.add(table);
    return answer;
  };

  return {
    query,
    capture,
    async write(table, text, values, move) {
      const answer = await query(text, values);
      const count = answer.rowCount ?? answer.rows.length;
      if (answer.rows.length !== count)
        throw new CaptureError(
          `a statement wrote ${count} rows of ${table} and returned ${answer.rows.length}; end it with RETURNING and the key`,
        );
      await capture(table, answer.rows, move);
      return answer;
    },
    async finish() {
      for (const table of written) {
        if (captured.has(table) || !(await isInstalled(client, table))) continue;
        throw new CaptureError(
          `${table} was written and not captured; use write(), or hand the keys that RETURNING gave to capture()`,
        );
      }
      if (position === null && options.position === true) position = await lastPosition(client);
      return position;
    },
  };
}

/** A position at or behind every event of this transaction, also of tables that triggers capture. */
async function lastPosition(client) {
  const known = await client.query(`SELECT to_regprocedure('crossfade.position()') IS NOT NULL AS known`);
  if (known.rows[0]?.known !== true) return null;
  const answer = await client.query('SELECT crossfade.position()::text AS position');
  return answer.rows[0]?.position ?? null;
}

/** Asked after the write: whoever installs capture waits for the writers that are in the table before it reads a snapshot. */
async function isInstalled(client, table) {
  const known = seen.get(client) ?? new Set();
  seen.set(client, known);
  if (known.has(nameOf(table))) return true;
  const answer = await client.query('SELECT to_regprocedure($1::text) IS NOT NULL AS installed', [
    `${functionOf(table)}(json, text)`,
  ]);
  if (answer.rows[0]?.installed !== true) return false;
  known.add(nameOf(table));
  return true;
}

function nameOf(table) {
  return table.includes('.') ? table : `public.${table}`;
}

function functionOf(table) {
  const [schema, relation] = nameOf(table).split('.', 2);
  return `crossfade."captured_${schema}_${relation}"`.replaceAll('\0', '');
}

/** `INSERT INTO orders …` is `public.orders`; undefined for anything that is not plainly a write. */
function writtenTable(text) {
  const found =
    /^\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(?:ONLY\s+)?("(?:[^"]|"")+"|\w+)(?:\s*\.\s*("(?:[^"]|"")+"|\w+))?/i.exec(
      text,
    );
  if (found === null) return undefined;
  const [first, second] = [found[1], found[2]].map((part) =>
    part?.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part?.toLowerCase(),
  );
  return second === undefined ? nameOf(first) : `${first}.${second}`;
}

/** Only what JSON holds exactly: a Date has no microseconds, a large number has lost its digits before it comes here. */
function checkedRow(table, row) {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      if (typeof value === 'bigint') return [column, value.toString()];
      const exact =
        typeof value === 'string' ||
        typeof value === 'boolean' ||
        (typeof value === 'number' &&
          Number.isFinite(value) &&
          (!Number.isInteger(value) || Number.isSafeInteger(value)));
      if (exact) return [column, value];
      const kind = value === null ? 'null' : (value?.constructor?.name ?? typeof value);
      throw new CaptureError(
        `capture of ${table}: ${column} is ${kind}, which may not be the exact value; return only the key, and cast it to text`,
      );
    }),
  );
}

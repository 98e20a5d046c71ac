/**
 * One read of a tenant: stage -> canary -> breaker -> store (design §6). The target has `reads.timeout`; when it is slow, fails
 * or is left alone by the breaker, legacy answers and the answer says so. Once legacy reads are disabled nobody else answers.
 */
import type { StoreName } from '../../domain/direction.ts';
import { type Fallback, type ReadRoute, routeRead } from '../../domain/read-route.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { type PageRow, readPage } from '../../sql/reads/read-page.ts';
import { type AnswerRow, readRow } from '../../sql/reads/read-row.ts';
import { undeliveredThrough } from '../../sql/reads/undelivered-through.ts';
import type { TablesByName } from '../../sql/row.ts';
import type { Deps } from '../deps.ts';
import { breakerNumbers, createReadBreaker, type ReadBreaker } from './read-breaker.ts';
import { createReadCounters, type ReadCount, type ReadCounters } from './read-counters.ts';
import { ReadProblem } from './read-problem.ts';
import { createTenantStages, type TenantStages } from './tenant-stages.ts';
import { withinTime } from './within-time.ts';

export interface ReadRequest {
  readonly tenant: string;
  readonly table: string;
  readonly what: /** A JSON list of the key's values. */
    | { readonly kind: 'row'; readonly key: string }
    | { readonly kind: 'page'; readonly after: string | null; readonly limit: number };
  /** Outbox position of the reader's own write, as text: until the target has it, legacy answers. */
  readonly position: string | null;
}

export interface ReadAnswer extends Rows {
  readonly servedBy: StoreName;
  /** Why legacy answered instead of the target; null where the route said so. */
  readonly fallback: Fallback | null;
}

interface Rows {
  readonly rows: readonly AnswerRow[];
  readonly more: boolean;
}

export interface ReadRouter {
  /** @throws {ReadProblem} */
  read(request: ReadRequest): Promise<ReadAnswer>;
}

/** A Lambda answers with 6 MB at most. */
const MAX_ANSWER_BYTES = 5_000_000;

interface Router {
  readonly deps: Deps;
  readonly tables: TablesByName;
  readonly stages: TenantStages;
  readonly breaker: ReadBreaker;
  readonly counters: ReadCounters;
}

/** One a container: it holds the breaker's count, the cached stages and the counts that are not written yet. */
export function createReadRouter(deps: Deps, tables: TablesByName): ReadRouter {
  const router: Router = {
    deps,
    tables,
    stages: createTenantStages(deps),
    breaker: createReadBreaker(deps, breakerNumbers(deps.plan)),
    counters: createReadCounters(deps),
  };
  return {
    read: async (request) => {
      try {
        return await read(router, request);
      } finally {
        await router.counters.settle();
      }
    },
  };
}

/** Opens the connections, so that the first reader does not pay for them out of the target's 200 ms. */
export async function warmUp(deps: Deps): Promise<void> {
  const ask = (store: StoreName) => deps.databases.open(store, 'read').query({ text: 'SELECT 1 AS one', values: [] });
  await withinTime(deps.clock, WARM_UP_MS, Promise.allSettled([ask('legacy'), ask('target')]));
}

const WARM_UP_MS = 2_000;

async function read(router: Router, request: ReadRequest): Promise<ReadAnswer> {
  const table = router.tables.get(request.table);
  if (table === undefined) throw new ReadProblem('unknown-table', `there is no table ${request.table} in the plan`);
  const route = await routeOf(router, request);
  if (route.store === 'target' && route.fallback !== null) return readCanary(router, table, request);
  return answerFrom(router, route.store, table, request, null);
}

async function routeOf({ stages }: Router, { tenant, table, what }: ReadRequest): Promise<ReadRoute> {
  const tenants = await stages.list();
  return tenants === undefined
    ? await stages.withoutDocuments()
    : routeRead(tenant, what.kind === 'row' ? `${table}/${what.key}` : table, tenants);
}

async function readCanary(router: Router, table: MigratedTable, request: ReadRequest): Promise<ReadAnswer> {
  const { deps, breaker, counters } = router;
  if (request.position !== null && (await isBehind(router, request.position, request.tenant))) {
    counters.add('behind');
    return answerFrom(router, 'legacy', table, request, 'behind');
  }
  const admission = await breaker.admit();
  if (admission === 'refuse') return fallBack(router, table, request, 'open');
  const started = deps.clock.now().getTime();
  try {
    const answer = await withinTime(deps.clock, deps.plan.reads.timeout, query(router, 'target', table, request));
    if (answer === undefined) throw new TooSlow(`the target took longer than ${deps.plan.reads.timeout} ms`);
    await breaker.succeed(admission);
    return counted(router, 'target', started, answer.value, null);
  } catch (error) {
    if (error instanceof ReadProblem) {
      // The caller's mistake says nothing about the target, except that it answers.
      await breaker.succeed(admission);
      throw error;
    }
    const fallback = isTimeout(error) ? 'timeout' : 'error';
    deps.log.warn('a read fell back to legacy', { table: table.name, fallback, error: messageOf(error) });
    // The breaker's document is written while legacy is being read.
    const [answer] = await Promise.all([
      fallBack(router, table, request, fallback),
      breaker.fail(admission, `${fallback}: ${messageOf(error)}`),
    ]);
    return answer;
  }
}

class TooSlow extends Error {}

function isTimeout(error: unknown): boolean {
  return error instanceof TooSlow || (error instanceof SqlError && error.sqlState === QUERY_CANCELED);
}

/** The statement_timeout of the role `read` struck before our own clock did. */
const QUERY_CANCELED = '57014';

const COUNT_OF: Readonly<Record<Exclude<Fallback, 'behind'>, ReadCount>> = {
  timeout: 'fallbackTimeout',
  open: 'fallbackOpen',
  error: 'fallbackError',
};

function fallBack(
  router: Router,
  table: MigratedTable,
  request: ReadRequest,
  why: Exclude<Fallback, 'behind'>,
): Promise<ReadAnswer> {
  router.counters.add('fallbacks', COUNT_OF[why]);
  router.deps.metrics.record('readFallbacks', 1);
  return answerFrom(router, 'legacy', table, request, why);
}

async function answerFrom(
  router: Router,
  store: StoreName,
  table: MigratedTable,
  request: ReadRequest,
  fallback: Fallback | null,
): Promise<ReadAnswer> {
  const started = router.deps.clock.now().getTime();
  try {
    return counted(router, store, started, await query(router, store, table, request), fallback);
  } catch (error) {
    if (error instanceof ReadProblem) throw error;
    router.counters.add('errors');
    router.deps.log.error('a read failed', { table: table.name, store, fallback, error: messageOf(error) });
    throw new ReadProblem('unavailable', `${store} does not answer and no other store may; try again`, error);
  }
}

function counted(
  { deps, counters }: Router,
  servedBy: StoreName,
  started: number,
  rows: Rows,
  fallback: Fallback | null,
): ReadAnswer {
  counters.add(servedBy);
  deps.metrics.record('reads', 1, { store: servedBy });
  deps.metrics.record('readLatency', deps.clock.now().getTime() - started, { store: servedBy });
  return { ...rows, servedBy, fallback };
}

async function query(
  { deps, tables }: Router,
  store: StoreName,
  table: MigratedTable,
  { tenant, what }: ReadRequest,
): Promise<Rows> {
  const session = deps.databases.open(store, 'read');
  try {
    if (what.kind === 'row') {
      return { rows: await session.query<AnswerRow>(readRow(table, tables, store, tenant, what.key)), more: false };
    }
    const bytes = Math.min(deps.databases.pageBytes, MAX_ANSWER_BYTES);
    const page = { tenant, after: what.after, limit: what.limit, bytes };
    const rows = await session.query<PageRow>(readPage(table, tables, store, page));
    return { rows, more: rows[0]?.more ?? false };
  } catch (error) {
    throw toProblem(error, table) ?? error;
  }
}

/** Faults of the request fail in both stores, so they neither fall back nor count against the target. */
function toProblem(error: unknown, table: MigratedTable): ReadProblem | undefined {
  if (!(error instanceof SqlError)) return undefined;
  if (error.kind === 'limit')
    return new ReadProblem('too-large', `a row of ${table.name} is larger than an answer may be`, error);
  if (error.sqlState?.startsWith('22') !== true) return undefined;
  const key = table.key.map(({ name, type }) => `${name} ${type}`).join(', ');
  return new ReadProblem('bad-key', `the key is not one of ${table.name}; expected a JSON list of (${key})`, error);
}

/** Unknown is behind: legacy has the reader's own write in any case. */
async function isBehind({ deps }: Router, position: string, tenant: string): Promise<boolean> {
  const { target } = deps.plan;
  // What the writer has applied may not have reached its replica.
  if (target.driver === 'pg' && target.reader !== undefined) return true;
  try {
    const session = deps.databases.open('legacy', 'read');
    const [row] = await session.query<{ behind: boolean }>(undeliveredThrough(position, tenant));
    return row?.behind !== false;
  } catch (error) {
    deps.log.warn('the demanded position cannot be checked; legacy answers', { error: messageOf(error) });
    return true;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

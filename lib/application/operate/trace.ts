/**
 * Tells the story of a write. It stands in both databases, which the CLI cannot reach: the question is left in the control table
 * and the relay answers it (carry-out-traces.ts), as with a redrive.
 */
import { randomUUID } from 'node:crypto';
import type { TraceAnswer, TraceQuery } from '../../contracts/trace.ts';
import { cleanCorrelation } from '../../domain/correlation.ts';
import { type Operator, OperatorError } from './operator.ts';
import { parseDirection } from './redrive.ts';

/** State of the progress document `trace/<random>`; removed by whoever asked, or by the relay when it is old. */
export interface TraceState {
  readonly query: TraceQuery;
  readonly requestedBy: string;
  readonly requestedAt: string;
  /** null: the relay has not come to it yet. */
  readonly answer: TraceAnswer | { readonly failed: string } | null;
}

export const TRACE_PREFIX = 'trace/';

/** How a write stands. `set-aside` and `differs` want a person; `on-its-way` wants time. */
export const TRACE_OUTCOMES = ['delivered', 'on-its-way', 'set-aside', 'differs'] as const;
export type TraceOutcome = (typeof TRACE_OUTCOMES)[number];

export interface TracePayload extends TraceAnswer {
  readonly query: TraceQuery;
  readonly outcome: TraceOutcome;
  readonly next: string;
}

export interface TraceWords {
  readonly id: string | undefined;
  readonly table: string | undefined;
  readonly key: string | undefined;
  readonly seq: string | undefined;
  readonly direction: string | undefined;
  readonly idempotencyKey: string | undefined;
}

const HELP = 'npx crossfade trace --help';
const POLL_MS = 500;

/** @throws {OperatorError} usage, unless exactly one thing is asked for. */
export function parseTraceQuery({ id, table, key, seq, direction, idempotencyKey }: TraceWords): TraceQuery {
  const usage = (message: string) => new OperatorError('usage', message, { next: HELP });
  if (key !== undefined && table === undefined) throw usage('--key is the key of a row of --table');
  const given = [id, table, seq, idempotencyKey].filter((word) => word !== undefined);
  if (given.length !== 1)
    throw usage('say which write: a correlation id, or --table with --key, or --seq, or --idempotency-key');
  if (table !== undefined) {
    if (key === undefined) throw usage('--table wants the --key of a row, as drift show names it');
    return { by: 'row', table, rowKey: toRowKey(key) };
  }
  if (seq !== undefined) {
    if (!/^\d{1,19}$/.test(seq)) throw usage(`--seq is a position in the outbox, a whole number; got ${seq}`);
    return { by: 'seq', direction: direction === undefined ? 'forward' : parseDirection(direction), seq };
  }
  if (direction !== undefined) throw usage('--direction goes with --seq; everything else is looked for in both');
  if (idempotencyKey !== undefined) return { by: 'idempotency', key: idempotencyKey };
  const clean = cleanCorrelation(id);
  if (clean === null) throw usage('a correlation id holds letters, digits and . _ : / + = @ - only');
  return { by: 'correlation', id: clean };
}

export async function trace(operator: Operator, query: TraceQuery, patience: TracePatience): Promise<TracePayload> {
  const answer = await askTrace(operator, query, patience);
  if (answer.steps.length === 0 && answer.gaps.length === 0)
    throw new OperatorError('usage', `no write is on record for ${describeQuery(query)}`, { next: HELP });
  const outcome = outcomeOf(answer);
  return { query, outcome, ...answer, next: operator.command(nextOf(outcome, answer)) };
}

export interface TracePatience {
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** @throws {OperatorError} waiting, when no relay answers in time; failed, when it could not tell. */
export async function askTrace(
  operator: Operator,
  query: TraceQuery,
  { waitMs, signal }: TracePatience,
): Promise<TraceAnswer> {
  const docId = `${TRACE_PREFIX}${operator.clock.now().toISOString()}#${randomUUID()}`;
  const requestedAt = operator.clock.now().toISOString();
  const state: TraceState = { query, requestedBy: await operator.identity.whoAmI(), requestedAt, answer: null };
  await operator.documents.put('progress', docId, { work: docId, state: { ...state }, at: requestedAt }, 'absent');
  try {
    const answer = await awaitAnswer(operator, docId, waitMs, signal);
    if ('failed' in answer)
      throw new OperatorError('failed', `the relay could not tell: ${answer.failed}`, {
        next: operator.command('doctor'),
      });
    return answer;
  } finally {
    await operator.documents.remove('progress', docId);
  }
}

async function awaitAnswer(
  operator: Operator,
  docId: string,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<NonNullable<TraceState['answer']>> {
  const until = operator.clock.now().getTime() + waitMs;
  for (;;) {
    const state = (await operator.documents.get('progress', docId))?.value.state;
    // Written by carry-out-traces.ts only.
    const answer = state?.answer as TraceState['answer'] | undefined;
    if (answer !== undefined && answer !== null) return answer;
    if (operator.clock.now().getTime() >= until || signal?.aborted === true) {
      const message = `the relay has not answered within ${waitMs / 1000} s; it runs from phase dual-write on, and not while a store is down`;
      throw new OperatorError('waiting', message, { next: operator.command('doctor') });
    }
    await operator.clock.sleep(POLL_MS, signal);
  }
}

const ON_ITS_WAY: readonly string[] = ['pending', 'retry', 'waits', 'redriven', 'captured'];

/** By the last step of each event. */
function outcomeOf({ steps, rows }: TraceAnswer): TraceOutcome {
  const last = new Map<string, string>();
  for (const { direction, seq, what } of steps) if (seq !== null) last.set(`${direction} ${seq}`, what);
  const ends = [...last.values()];
  if (ends.some((end) => end === 'parked' || end === 'dead')) return 'set-aside';
  if (ends.some((end) => ON_ITS_WAY.includes(end))) return 'on-its-way';
  return rows.some(({ same, repair }) => same === false && repair === null) ? 'differs' : 'delivered';
}

function nextOf(outcome: TraceOutcome, { rows }: TraceAnswer): string {
  if (outcome === 'set-aside') return 'redrive --dry-run';
  const differing = rows.find(({ same }) => same === false);
  if (outcome === 'differs' && differing !== undefined) return `reconcile --table=${differing.table} --repair`;
  return 'status';
}

export function describeQuery(query: TraceQuery): string {
  switch (query.by) {
    case 'correlation':
      return `correlation id ${query.id}`;
    case 'row':
      return `row ${query.rowKey} of ${query.table}`;
    case 'seq':
      return `event ${query.seq} (${query.direction})`;
    case 'idempotency':
      return `idempotency key ${query.key}`;
  }
}

/** `7` and `abc` are as good as `[7]` and `["abc"]`, the form in which rows of a one-column key are named. */
export function toRowKey(key: string): string {
  if (key.startsWith('[')) return key;
  return /^-?\d+(\.\d+)?$/.test(key) ? `[${key}]` : JSON.stringify([key]);
}

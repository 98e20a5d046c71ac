/**
 * Nothing grows for ever (protocol §6, design §3.9): outbox, row versions and applied log of both directions are pruned in small
 * pages, by the relay's holder of shard 0, between its batches. It never holds delivery up for longer than a slice and a page.
 */
import { DIRECTIONS, type Direction, receiverOf, sourceOf } from '../../domain/direction.ts';
import { pruneForeignWrites } from '../../sql/foreign/foreign-writes.ts';
import { type PrunedLogRow, pruneAppliedLog } from '../../sql/retention/prune-applied-log.ts';
import { type PrunedEventsRow, pruneEvents, pruneSuppressed } from '../../sql/retention/prune-outbox.ts';
import { readUpkeep, saveUpkeep, type UpkeepRow } from '../../sql/retention/upkeep.ts';
import type { Deps } from '../deps.ts';
import { type Page, pruneVersionsPage } from './floor.ts';
import { outboxKeptMs } from './kept.ts';

export const RETENTION_EVERY_MS = 1_000;
/** Milliseconds of one call; the page that is under way when they are over is finished: 1 000 rows take 5 to 30 ms. */
const SLICE_MS = 80;
const PAGE_ROWS = 1_000;
/** What has nothing to prune looks again after this. */
const REST_MS = 30_000;
/** A suppressed event is kept this long, so that somebody who looks for it at once finds why it was not delivered. */
const SUPPRESSED_KEPT_MS = 10 * 60_000;
/** One transaction of an apply lasts seconds; an entry younger than this may not be visible yet. */
const LEAST_LOG_KEPT_MS = 60_000;

export interface RetentionOptions {
  /** For tests: rest between two passes, age that a candidate for the floor must have, age of suppressed events. */
  readonly restMs?: number;
  readonly floorEveryMs?: number;
  readonly suppressedKeptMs?: number;
  readonly pageRows?: number;
  readonly sliceMs?: number;
}

interface Task {
  readonly name: string;
  readonly page: () => Promise<Page>;
  restUntil: number;
}

/** Rows deleted by one call, by what they were: `forward/events`, `reverse/versions`, … */
export type Pruned = Readonly<Record<string, number>>;

/** @returns the chore: one slice of work a call. It throws nothing, because a purge that fails must not hold up delivery. */
export function retentionOf(deps: Deps, options: RetentionOptions = {}): () => Promise<Pruned> {
  const { restMs = REST_MS, sliceMs = SLICE_MS } = options;
  const tasks = DIRECTIONS.flatMap((direction) => tasksOf(deps, direction, options));
  return async () => {
    const pruned: Record<string, number> = {};
    const until = deps.clock.now().getTime() + sliceMs;
    for (;;) {
      const now = deps.clock.now().getTime();
      const due = tasks.filter((task) => task.restUntil <= now);
      if (due.length === 0) return pruned;
      for (const task of due) {
        const { deleted, done } = await attempt(deps, task);
        if (deleted > 0) pruned[task.name] = (pruned[task.name] ?? 0) + deleted;
        if (done) task.restUntil = deps.clock.now().getTime() + Math.max(restMs, 1);
        if (deps.clock.now().getTime() >= until) return rotate(tasks, task, pruned);
      }
    }
  };
}

/** The next slice begins behind the task that this one ended with: none starves. */
function rotate(tasks: Task[], last: Task, pruned: Pruned): Pruned {
  tasks.push(...tasks.splice(0, tasks.indexOf(last) + 1));
  return pruned;
}

async function attempt(deps: Deps, task: Task): Promise<Page> {
  try {
    return await task.page();
  } catch (error) {
    // The other store may be down or gone; a lock may have been taken. The next pass comes to it.
    deps.log.warn('retention was not carried out; it is tried again', { task: task.name, reason: String(error) });
    return { deleted: 0, done: true };
  }
}

function tasksOf(deps: Deps, direction: Direction, options: RetentionOptions): readonly Task[] {
  const { pageRows = PAGE_ROWS, suppressedKeptMs = SUPPRESSED_KEPT_MS } = options;
  const task = (name: string, page: () => Promise<Page>): Task => ({
    name: `${direction}/${name}`,
    page,
    restUntil: 0,
  });
  const source = deps.databases.open(sourceOf(direction), 'relay');
  return [
    task('events', eventPages(deps, direction, pageRows)),
    task('suppressed', async () => {
      const [row] = await source.query<{ deleted: string }>(pruneSuppressed(suppressedKeptMs, pageRows));
      return { deleted: Number(row?.deleted ?? 0), done: Number(row?.deleted ?? 0) < pageRows };
    }),
    task('versions', () => pruneVersionsPage(deps, direction, pageRows, options.floorEveryMs)),
    task('log', () => pruneLogPage(deps, direction, pageRows)),
    task('foreign', async () => {
      const keepMs = deps.plan.retention.appliedLog;
      const receiver = deps.databases.open(receiverOf(direction), 'apply');
      const [row] = await receiver.query<{ deleted: string }>(pruneForeignWrites(keepMs, pageRows));
      return { deleted: Number(row?.deleted ?? 0), done: Number(row?.deleted ?? 0) < pageRows };
    }),
  ];
}

/** From the oldest on, up to the first row that is still kept; then from the oldest again, where a set-aside event may have ended. */
function eventPages(deps: Deps, direction: Direction, limit: number): () => Promise<Page> {
  let after = '0';
  return async () => {
    const source = deps.databases.open(sourceOf(direction), 'relay');
    const [row] = await source.query<PrunedEventsRow>(pruneEvents(after, outboxKeptMs(deps.plan), limit));
    const done = row === undefined || row.reached || Number(row.seen) < limit;
    after = done ? '0' : (row.last_seq ?? '0');
    return { deleted: Number(row?.deleted ?? 0), done };
  };
}

async function pruneLogPage(deps: Deps, direction: Direction, limit: number): Promise<Page> {
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  const [stored] = await receiver.query<UpkeepRow>(readUpkeep('applied-log'));
  const state: { readonly after?: string } = stored === undefined ? {} : JSON.parse(stored.state);
  const keepMs = Math.max(deps.plan.retention.appliedLog, LEAST_LOG_KEPT_MS);
  const [row] = await receiver.query<PrunedLogRow>(pruneAppliedLog(state.after ?? '0', keepMs, limit));
  if (row?.last_id != null) await receiver.query(saveUpkeep('applied-log', { after: row.last_id }));
  return { deleted: Number(row?.deleted ?? 0), done: Number(row?.seen ?? 0) < limit };
}

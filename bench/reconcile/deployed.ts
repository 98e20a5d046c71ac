/** What the way to production costs: the same comparison through the Data API, and in Lambda functions step by step. */
import type { Databases } from '../../lib/ports/sql.ts';
import type { Front } from '../data-api-front.ts';
import type { FrontTraffic } from '../data-api-front-process.ts';
import { openAs } from '../engine-deps.ts';
import { type CompareReport, checkReport, compareOnce } from './compare-once.ts';
import type { State } from './states.ts';

export const WAYS = ['pg', 'data-api', 'lambda'] as const;
export type Way = (typeof WAYS)[number];

export interface Deployed {
  readonly way: Way;
  readonly id: string;
  readonly title: string;
  readonly rows: number;
  /** Of the first containers; null where there are none. Not part of the rest. */
  readonly startMs: number | null;
  /** Planning of the chunks; null where it is part of the comparison. */
  readonly planMs: number | null;
  readonly compareMs: number;
  readonly settleMs: number | null;
  /** Functions' calls, or 0. */
  readonly calls: number;
  /** Of the Distributed Map, or 0: a statement a store each, one of the source more where tenants are counted, and one object of results. */
  readonly items: number;
  /** Through the Data API: each statement is one request. */
  readonly traffic: FrontTraffic;
}

/** The engine in this process, over `pg`: what the others are held against, which no process's start is part of either. */
export async function compareThroughPg(state: State): Promise<Deployed> {
  const report = await compareHere(state, openAs(state.urls, state.roles));
  return { ...inThisProcess(state, report), way: 'pg', id: `pg/${state.name}`, title: titleOf('pg', state) };
}

/** The engine in this process; the front, in its own, makes JSON of what the servers answer. */
export async function compareThroughDataApi(front: Front, state: State): Promise<Deployed> {
  await front.traffic();
  const report = await compareHere(state, front.open(state.urls, state.roles));
  return {
    ...inThisProcess(state, report),
    way: 'data-api',
    id: `data-api/${state.name}`,
    title: titleOf('Data API front', state),
    traffic: await front.traffic(),
  };
}

async function compareHere(state: State, databases: Databases): Promise<CompareReport> {
  const report = await compareOnce(databases, 'fast');
  await databases.close();
  checkReport(state, report, 'the engine in this process');
  return report;
}

function inThisProcess({ rows }: State, { ms }: CompareReport) {
  const traffic = { requests: 0, requestBytes: 0, answerBytes: 0 };
  return { rows, startMs: null, planMs: null, compareMs: ms, settleMs: null, calls: 0, items: 0, traffic };
}

function titleOf(over: string, { name }: State): string {
  return `engine in this process, ${over}, ${name}`;
}

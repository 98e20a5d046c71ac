/** What the way to production costs: the same comparison through the Data API, and in Lambda functions step by step. */
import type { Front } from '../data-api-front.ts';
import { checkReport, compareOnce } from './compare-once.ts';
import type { State } from './states.ts';

export interface Deployed {
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
}

/** The engine in this process; the front, in its own, makes JSON of what the servers answer. */
export async function compareThroughDataApi(front: Front, state: State): Promise<Deployed> {
  const databases = front.open(state.urls, state.roles);
  const report = await compareOnce(databases, 'fast');
  await databases.close();
  checkReport(state, report, 'the engine through the Data API front');
  return {
    id: `data-api/${state.name}`,
    title: `engine in this process, Data API front, ${state.name}`,
    rows: state.rows,
    startMs: null,
    planMs: null,
    compareMs: report.ms,
    settleMs: null,
    calls: 0,
  };
}

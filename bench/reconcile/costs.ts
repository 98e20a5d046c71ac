/** Where the time goes that `pg` in one process does not take: the Data API beside `pg`, and functions beside the Data API. */
import { whole } from '../layout.ts';
import { type Deployed, WAYS } from './deployed.ts';

export interface Cost {
  readonly id: string;
  readonly rows: number;
  /** What it is held against. */
  readonly base: string;
  /** Time to that of `base`; start-up apart. */
  readonly factor: number;
  readonly explanation: string;
}

/** Of one size of table. */
export function costsOf(lines: readonly Deployed[]): readonly Cost[] {
  const [pg, dataApi, lambda] = WAYS.map((wanted) => lines.find(({ way }) => way === wanted));
  return [
    ...(pg === undefined || dataApi === undefined ? [] : [dataApiCost(dataApi, pg)]),
    ...(dataApi === undefined || lambda === undefined ? [] : [lambdaCost(lambda, dataApi)]),
  ];
}

/** Without the start of the first containers. */
export function totalOf({ planMs, compareMs, settleMs }: Deployed): number {
  return (planMs ?? 0) + compareMs + (settleMs ?? 0);
}

function dataApiCost(line: Deployed, base: Deployed): Cost {
  const { requests } = line.traffic;
  const more = totalOf(line) - totalOf(base);
  return {
    id: line.id,
    rows: line.rows,
    base: base.id,
    factor: totalOf(line) / totalOf(base),
    explanation: `${differenceOf(more)}: ${trafficOf(line)}, ${Math.max(0, more / requests).toFixed(1)} ms each, on the same cores as the servers; rows that are equal never travel`,
  };
}

function lambdaCost(line: Deployed, base: Deployed): Cost {
  const { planMs, settleMs, startMs, calls, items } = line;
  const reading = Math.max(1, calls - 2);
  return {
    id: line.id,
    rows: line.rows,
    base: base.id,
    factor: totalOf(line) / totalOf(base),
    explanation: [
      `${differenceOf(totalOf(line) - totalOf(base))}: ${whole(planMs ?? 0)} ms to list ${whole(items)} items before anything is compared, ${whole(settleMs ?? 0)} ms to gather their results`,
      `each of ${whole(reading)} calls (${(items / reading).toFixed(1)} items) reads the tables' catalogues and its cycle first, and each item is looked up and written to the bucket`,
      `the source also counts its rows by tenant, which one process does not: one statement more an item`,
      trafficOf(line),
      `${whole(startMs ?? 0)} ms of start-up before it, once a container`,
    ].join('; '),
  };
}

function trafficOf({ traffic: { requests, requestBytes, answerBytes } }: Deployed): string {
  const kilobytes = (bytes: number) => `${whole(bytes / 1000)} kB`;
  return `${whole(requests)} statements, one round trip each, ${kilobytes(requestBytes)} asked and ${kilobytes(answerBytes)} answered as JSON`;
}

function differenceOf(ms: number): string {
  return `${whole(Math.abs(ms))} ms ${ms < 0 ? 'less' : 'more'}`;
}

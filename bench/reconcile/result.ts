/** What a run of the suite leaves: everything that was measured, and how it stands to what was asked for. */
import { costOf, type Drained, type Measured, rateOf } from '../measure.ts';
import type { SuiteResult } from '../suite.ts';
import { atMost, median, ratioOf, type Verdict, verdict } from '../verdict.ts';
import { costsOf } from './costs.ts';
import type { Deployed } from './deployed.ts';
import { type Growth, type GrowthPoint, slopeOf } from './growth.ts';

export interface ReconcileResult extends SuiteResult {
  readonly suite: 'reconcile';
  readonly rows: number;
  readonly drained: readonly Measured[];
  readonly engine: readonly EngineLine[];
  readonly growth: Growth | null;
  readonly deployed: readonly Deployed[];
  readonly backfill: readonly Measured[];
  readonly further: readonly Further[];
}

/** What the engine said of the runs of a variant; medians. */
export interface EngineLine {
  readonly id: string;
  readonly rows: number;
  readonly chunks: number;
  readonly differingChunks: number;
  readonly found: number;
  /** From its first connection on; what is left of the process's time is its start. */
  readonly ms: number;
  readonly startMs: number;
  readonly maxRssMb: number;
  /** Time between two reads of a row that looked different, which the run does not wait. */
  readonly waitMs: number;
}

/** The same elsewhere: with ten times as many rows, between two majors of PostgreSQL. */
export interface Further {
  readonly title: string;
  readonly rows: number;
  readonly drained: readonly Measured[];
  readonly engine: readonly EngineLine[];
  readonly deployed: readonly Deployed[];
  /** As {@link GrowthPoint} has it; null where it was not measured. */
  readonly smallHeapMb: number | null;
}

type Parts = Pick<ReconcileResult, 'drained' | 'engine' | 'growth' | 'deployed' | 'backfill' | 'further'>;

/** Floors and goals of issue 5. A peer is held to the fastest of its settings that was measured. */
export function judge(parts: Parts): readonly Verdict[] {
  const { drained, deployed, backfill, growth, further } = parts;
  const against = (id: string, peer: string, state: string) => {
    const other = fastestOf(drained, peer, state);
    return other === undefined ? null : ratioOf(drained, id, other);
  };
  // Other work on the machine hardly changes it, where it takes wall time away.
  const cost = (id: string, peer: string, state: string) => {
    const other = fastestOf(drained, peer, state);
    return other === undefined ? null : costRatio(drained, other, id);
  };
  // Without the start of a process on either side: the limit has none.
  const limit = (id: string, of: readonly Measured[]) => {
    const ratio = ratioOf(of, id, 'limit/hash', rateWithin);
    return ratio === null ? null : 1 / ratio;
  };
  const memory = memoryGrowth(parts);
  return [
    verdict('fast, equal / reladiff', against('fast/equal', 'reladiff', 'equal'), '', 3, 4),
    verdict('fast, equal / pg_comparator', against('fast/equal', 'pg_comparator', 'equal'), '', 2),
    atMost('time of fast, equal / the limit', limit('fast/equal', drained), '', 1.5, 1.2),
    verdict('fast, drifted / reladiff', against('fast/drifted', 'reladiff', 'drifted'), '', 3.5, 5),
    verdict('fast, drifted / pg_comparator', against('fast/drifted', 'pg_comparator', 'drifted'), '', 1.2, 1.5),
    verdict('fast, 1 % changed / reladiff', against('fast/changed', 'reladiff', 'changed'), '', null),
    verdict('fast, 1 % changed / pg_comparator', against('fast/changed', 'pg_comparator', 'changed'), '', null),
    verdict('exact, equal / reladiff', against('exact/equal', 'reladiff', 'equal'), '', 1.5),
    verdict('exact, equal / pg_comparator', against('exact/equal', 'pg_comparator', 'equal'), '', null),
    verdict('CPU of the fastest reladiff / of fast, equal', cost('fast/equal', 'reladiff', 'equal'), '', null),
    verdict(
      'CPU of the fastest pg_comparator / of fast, equal',
      cost('fast/equal', 'pg_comparator', 'equal'),
      '',
      null,
    ),
    verdict('CPU of the fastest reladiff / of exact, equal', cost('exact/equal', 'reladiff', 'equal'), '', null),
    atMost('memory of the largest table / of the smallest', memory, '', 1.25),
    verdict('R² of time over rows', fitOf(growth?.byRows, 'rows'), '', 0.97),
    verdict('R² of time over chunks that differ', fitOf(growth?.byChunks, 'differingChunks'), '', 0.9),
    ...[{ deployed }, ...further].flatMap((size) =>
      costsOf(size.deployed).map(({ id, rows, base, factor }) =>
        verdict(`time of ${id} / ${base}, ${rows} rows`, factor, '', null),
      ),
    ),
    ...further.map(({ title, drained: of }) =>
      atMost(`time of fast, equal / the limit, ${title}`, limit('fast/equal', of), '', 1.5, 1.2),
    ),
    verdict('backfill / own statements in a bare loop', ratioOf(backfill, 'backfill/engine', 'backfill/bare'), '', 0.7),
    verdict('backfill / COPY into COPY', ratioOf(backfill, 'backfill/engine', 'backfill/copy'), '', null),
  ];
}

/** Of the settings of a peer, by median. */
export function fastestOf(drained: readonly Measured[], peer: string, state: string): string | undefined {
  const rates = drained
    .filter(({ id, runs }) => id.startsWith(`${peer}-`) && id.endsWith(`/${state}`) && runs.length > 0)
    .map(({ id, runs }) => ({ id, rate: median(runs.map(rateOf)) }));
  return rates.toSorted((a, b) => b.rate - a.rate)[0]?.id;
}

/** CPU of `other` to that of `id`, client and servers; medians. */
function costRatio(drained: readonly Measured[], other: string, id: string): number | null {
  const costs = [other, id].map((wanted) => {
    const runs = drained.find((measured) => measured.id === wanted)?.runs ?? [];
    return median(runs.flatMap((run) => costOf(run) ?? []));
  });
  const [theirs = Number.NaN, ours = Number.NaN] = costs;
  return Number.isFinite(theirs / ours) ? theirs / ours : null;
}

function rateWithin({ events, ms, withinMs = ms }: Drained): number {
  return (1000 * events) / withinMs;
}

/** By the fast form over equal tables. */
function memoryGrowth({ growth, further }: Parts): number | null {
  const sizes = [
    ...(growth?.byRows ?? []),
    ...further.flatMap(({ rows, smallHeapMb }) => (smallHeapMb === null ? [] : [{ rows, smallHeapMb }])),
  ].toSorted((a, b) => a.rows - b.rows);
  const [smallest, largest] = [sizes[0], sizes.at(-1)];
  if (smallest === undefined || largest === undefined || smallest.rows === largest.rows) return null;
  return largest.smallHeapMb / smallest.smallHeapMb;
}

function fitOf(points: Growth['byRows'] | undefined, x: 'rows' | 'differingChunks'): number | null {
  return slopeOf(points ?? [], (point) => point[x])?.fit ?? null;
}

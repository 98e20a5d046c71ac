/** Whether cost grows with rows and with chunks that differ, each in a line and with nothing else; and whether memory grows at all. */
import type { BenchServers } from '../servers.ts';
import { compareInProcess, peakInSmallHeap } from './engine.ts';
import { changeRows, scatter } from './planted.ts';
import { createPair, equalState, type Pair, plant, type State } from './states.ts';

/** The fast form, without the start of its process. */
export interface GrowthPoint {
  readonly rows: number;
  readonly differingChunks: number;
  readonly ms: number;
  /** In a heap that leaves no room for garbage. */
  readonly smallHeapMb: number;
}

export interface Growth {
  /** Equal tables of growing size. */
  readonly byRows: readonly GrowthPoint[];
  /** One table, in which more and more chunks hold one row that differs. */
  readonly byChunks: readonly GrowthPoint[];
}

/** A line by least squares. */
export interface Slope {
  /** Milliseconds for each unit of x, and where x is 0. */
  readonly perUnit: number;
  readonly at0: number;
  /** R²: 1 is a line. */
  readonly fit: number;
}

/** Shares of the run's rows. */
const SIZES = [1 / 8, 1 / 4, 1 / 2];
/** Chunks that differ, as shares of all. */
const SHARES = [0, 1 / 4, 1 / 2, 1];
/** Of those chunks: small ones, or all of them together would cost no more than a busy machine adds by itself. */
const CHUNK_ROWS = 1_000;
/** The best of so many: what else runs on the machine only adds. */
const RUNS = 3;

/** @param pair stays as it is; it is the largest of the sizes. */
export async function measureGrowth(
  servers: BenchServers,
  pair: Pair,
  progress: (line: string) => void,
): Promise<Growth> {
  // Code that was compiled for other flags of Node is compiled anew, which takes memory too.
  await peakInSmallHeap(equalState(pair));
  const smaller: Pair[] = [];
  for (const share of SIZES) smaller.push(await createPair(servers, Math.round(pair.rows * share)));
  const bySize = [...smaller, pair].map(equalState);
  const { states: byShare, targets } = await plantChunks(servers, pair);
  const points = await measureInTurns([...bySize, ...byShare], progress);
  for (const { names } of smaller) {
    await servers.drop('legacy', names.legacy);
    await servers.drop('target', names.target);
  }
  for (const target of targets) await servers.drop('target', target);
  return { byRows: points.slice(0, bySize.length), byChunks: points.slice(bySize.length) };
}

/** A target for each share, with one row changed somewhere in each of its chunks, in no order. */
async function plantChunks(servers: BenchServers, pair: Pair) {
  const chunks = Math.floor(pair.rows / CHUNK_ROWS);
  const rows = scatter(chunks, chunks).map((chunk) => (chunk - 1) * CHUNK_ROWS + CHUNK_ROWS / 2);
  const states: State[] = [];
  const targets: string[] = [];
  for (const share of SHARES) {
    const changed = rows.slice(0, Math.round(share * chunks));
    const small = { ...equalState(pair), chunkRows: CHUNK_ROWS };
    if (changed.length === 0) {
      states.push(small);
      continue;
    }
    const target = await servers.create('target', pair.names.target);
    await plant(target.url, [changeRows(changed)]);
    targets.push(target.name);
    const urls = { legacy: pair.urls.legacy, target: target.url };
    states.push({ ...small, urls, planted: { missing: [], extra: [], changed } });
  }
  return { states, targets };
}

/** There and back, so that a machine that is slower for a minute is so for all of them. */
async function measureInTurns(
  states: readonly State[],
  progress: (line: string) => void,
): Promise<readonly GrowthPoint[]> {
  const best = new Map<State, GrowthPoint>();
  for (let round = 0; round < RUNS; round++) {
    for (const state of round % 2 === 0 ? states : states.toReversed()) {
      const { report } = await compareInProcess(state, 'fast');
      const { rows, differingChunks, ms } = report;
      const smallHeapMb = best.get(state)?.smallHeapMb ?? (await peakInSmallHeap(state));
      if (ms < (best.get(state)?.ms ?? Number.POSITIVE_INFINITY))
        best.set(state, { rows, differingChunks, ms, smallHeapMb });
      progress(`growth ${round + 1}/${RUNS}: ${rows} rows, ${differingChunks} chunks differ: ${Math.round(ms)} ms`);
    }
  }
  return states.flatMap((state) => best.get(state) ?? []);
}

/** Undefined for fewer than two values of x. */
export function slopeOf(points: readonly GrowthPoint[], x: (point: GrowthPoint) => number): Slope | undefined {
  const [xs, ys] = [points.map(x), points.map(({ ms }) => ms)];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [middleX, middleY] = [mean(xs), mean(ys)];
  const spread = xs.reduce((sum, value) => sum + (value - middleX) ** 2, 0);
  if (spread === 0 || Number.isNaN(spread)) return undefined;
  const perUnit = points.reduce((sum, point) => sum + (x(point) - middleX) * (point.ms - middleY), 0) / spread;
  const at0 = middleY - perUnit * middleX;
  const left = points.reduce((sum, point) => sum + (point.ms - at0 - perUnit * x(point)) ** 2, 0);
  const total = ys.reduce((sum, value) => sum + (value - middleY) ** 2, 0);
  return { perUnit, at0, fit: total === 0 ? 1 : 1 - left / total };
}

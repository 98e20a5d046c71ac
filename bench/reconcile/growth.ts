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
const SHARES = [0, 1 / 8, 1 / 4, 1 / 2, 1];
/** The best of so many: what else runs on the machine only adds. */
const RUNS = 3;

/** @param pair stays as it is; it is the largest of the sizes. */
export async function measureGrowth(
  servers: BenchServers,
  pair: Pair,
  chunkRows: number,
  progress: (line: string) => void,
): Promise<Growth> {
  const byRows: GrowthPoint[] = [];
  // Code that was compiled for other flags of Node is compiled anew, which takes memory too.
  await peakInSmallHeap(equalState(pair));
  for (const share of SIZES) {
    const smaller = await createPair(servers, Math.round(pair.rows * share));
    byRows.push(await measure(equalState(smaller)));
    progress(`growth: ${smaller.rows} rows in ${Math.round(byRows.at(-1)?.ms ?? 0)} ms`);
    await servers.drop('legacy', smaller.names.legacy);
    await servers.drop('target', smaller.names.target);
  }
  byRows.push(await measure(equalState(pair)));
  return { byRows, byChunks: await growChunks(servers, pair, chunkRows, progress) };
}

async function growChunks(
  servers: BenchServers,
  pair: Pair,
  chunkRows: number,
  progress: (line: string) => void,
): Promise<readonly GrowthPoint[]> {
  const target = await servers.create('target', pair.names.target);
  const urls = { legacy: pair.urls.legacy, target: target.url };
  // One row somewhere in each of them, in no order.
  const chunks = Math.floor(pair.rows / chunkRows);
  const rows = scatter(chunks, chunks).map((chunk) => (chunk - 1) * chunkRows + Math.ceil(chunkRows / 2));
  const points: GrowthPoint[] = [];
  let planted: readonly number[] = [];
  for (const share of SHARES) {
    const wanted = rows.slice(0, Math.round(share * chunks));
    const fresh = wanted.slice(planted.length);
    if (fresh.length > 0) await plant(target.url, [changeRows(fresh)]);
    planted = wanted;
    const state: State = { ...equalState(pair), urls, planted: { missing: [], extra: [], changed: planted } };
    points.push(await measure(state));
    progress(`growth: ${points.at(-1)?.differingChunks} chunks differ in ${Math.round(points.at(-1)?.ms ?? 0)} ms`);
  }
  await servers.drop('target', target.name);
  return points;
}

async function measure(state: State): Promise<GrowthPoint> {
  const smallHeapMb = await peakInSmallHeap(state);
  let best: GrowthPoint | undefined;
  for (let run = 0; run < RUNS; run++) {
    const { report } = await compareInProcess(state, 'fast');
    const { rows, differingChunks, ms } = report;
    if (best === undefined || ms < best.ms) best = { rows, differingChunks, ms, smallHeapMb };
  }
  if (best === undefined) throw new RangeError('nothing was measured');
  return best;
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

/**
 * What trigger capture costs the legacy store: transactions a second of the TPC-B script with capture on all four tables
 * against without, in turns (A B A B …) on one server, so that whatever else the machine does falls on both.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createPgStore } from '../../lib/adapters/pg/sql-store.ts';
import { readTables } from '../../lib/application/read-tables.ts';
import { createDatabase } from '../../lib/local/databases.ts';
import { removePostgresFolder, startPostgres } from '../../lib/local/postgres.ts';
import { loadPlan } from '../../lib/plan/plan.ts';
import type { Databases } from '../../lib/ports/sql.ts';
import { captureFunctions, captureTriggers, dropCapture } from '../../lib/sql/install/capture.ts';
import { protocolSchema } from '../../lib/sql/install/schema.ts';
import { runTransaction, TPCB_PLAN, tpcbSchema } from './tpcb.ts';

export interface CaptureOptions {
  /** Branches; 100 000 accounts each. Default 10. */
  readonly scale?: number | undefined;
  /** Connections. Default 8. */
  readonly connections?: number | undefined;
  /** Pairs of rounds, one without and one with capture. Many short ones: another program's load falls on both of a pair. Default 20. */
  readonly pairs?: number | undefined;
  /** Milliseconds of a round that count; each starts with a tenth of that uncounted. Default 1 500. */
  readonly roundMs?: number | undefined;
  readonly say?: ((line: string) => void) | undefined;
}

export interface CaptureRound {
  readonly capture: boolean;
  readonly tps: number;
  /** Milliseconds of a transaction. */
  readonly p50: number;
  readonly p99: number;
  /** Milliseconds of processor time of the server's sessions a transaction: what a machine with more cores would see. 0 where the system does not tell. */
  readonly serverCpu: number;
}

export interface CaptureSetting {
  /** `fsync`, `synchronous_commit` and `full_page_writes` all on, or fsync and full_page_writes off. */
  readonly setting: 'durable' | 'fsync off';
  readonly rounds: readonly CaptureRound[];
  /** Medians over the rounds. */
  readonly on: CaptureRound;
  readonly off: CaptureRound;
  /** Median of on/off of each pair. */
  readonly ratio: number;
  /** The bound on `ratio`. */
  readonly bound: number;
}

export interface CaptureResult {
  readonly scale: number;
  readonly connections: number;
  readonly settings: readonly CaptureSetting[];
}

const SETTINGS = [
  { setting: 'durable', fsync: true, bound: 0.75 },
  { setting: 'fsync off', fsync: false, bound: 0.6 },
] as const;
/** A checkpoint in one round and not in its partner would decide the ratio. */
const SERVER_SETTINGS = {
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  jit: 'off',
};

export async function benchCapture(options: CaptureOptions = {}): Promise<CaptureResult> {
  const { scale = 10, connections = 8, pairs = 20, roundMs = 1_500, say = () => {} } = options;
  const settings: CaptureSetting[] = [];
  for (const { setting, fsync, bound } of SETTINGS) {
    const rounds = await measureSetting({ scale, connections, pairs, roundMs, say, setting, fsync });
    settings.push({ setting, rounds, bound, ...summarise(rounds) });
  }
  return { scale, connections, settings };
}

type Measuring = Required<CaptureOptions> & {
  readonly say: (line: string) => void;
  readonly setting: string;
  readonly fsync: boolean;
  readonly scale: number;
  readonly connections: number;
  readonly pairs: number;
  readonly roundMs: number;
};

async function measureSetting(bench: Measuring): Promise<readonly CaptureRound[]> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-bench-capture-'));
  const server = await startPostgres({ major: 15, folder, fsync: bench.fsync, settings: SERVER_SETTINGS });
  const clients: pg.Client[] = [];
  try {
    const url = await createDatabase(server.url, 'tpcb');
    const connect = async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      clients.push(client);
      return client;
    };
    const admin = await connect();
    for (const text of tpcbSchema(bench.scale).split(';\n')) await admin.query(text);
    const capture = await prepareCapture(url, admin);
    const workers: pg.Client[] = [];
    for (let n = 0; n < bench.connections; n++) workers.push(await connect());
    const backends = await Promise.all(
      workers.map(
        async (client) => (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0,
      ),
    );
    const rounds: CaptureRound[] = [];
    // The first pair warms caches and is not kept.
    for (let pair = 0; pair <= bench.pairs; pair++) {
      // The order within a pair alternates, so a drift over time favours neither.
      for (const on of pair % 2 === 0 ? [false, true] : [true, false]) {
        await capture(on);
        const round = { capture: on, ...(await runRound(workers, backends, bench)) };
        bench.say(
          `${bench.setting}, capture ${on ? 'on' : 'off'}: ${round.tps.toFixed(0)} tps, p50 ${round.p50.toFixed(2)} ms, p99 ${round.p99.toFixed(2)} ms, server ${round.serverCpu.toFixed(3)} ms a transaction${pair === 0 ? ' (warming up)' : ''}`,
        );
        if (pair > 0) rounds.push(round);
      }
    }
    return rounds;
  } finally {
    for (const client of clients) await client.end();
    await server.stop();
    removePostgresFolder(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns a switch that leaves the store as capture, or its removal, leaves it: an empty outbox, and a checkpoint behind it. */
async function prepareCapture(url: string, admin: pg.Client): Promise<(on: boolean) => Promise<void>> {
  const store = createPgStore({ connectionString: url });
  const databases: Databases = { pageBytes: 700_000, open: () => store, close: () => store.close() };
  // One database stands for both stores: only its columns are looked at.
  const tables = await readTables(loadPlan(TPCB_PLAN, 'bench'), databases);
  await databases.close();
  const byName = new Map(tables.map((table) => [table.name, table]));
  for (const { text } of protocolSchema()) await admin.query(text);
  return async (on) => {
    for (const table of tables) {
      const statements = on
        ? [
            ...captureFunctions(table, byName, 'forward', ['crossfade_apply', 'crossfade_backfill']),
            ...captureTriggers(table),
          ]
        : dropCapture(table);
      for (const { text } of statements) await admin.query(text);
    }
    await admin.query('TRUNCATE crossfade.outbox');
    await admin.query('VACUUM accounts, tellers, branches');
    await admin.query('CHECKPOINT');
  };
}

async function runRound(
  workers: readonly pg.Client[],
  backends: readonly number[],
  { scale, roundMs }: Measuring,
): Promise<Omit<CaptureRound, 'capture'>> {
  const countFrom = performance.now() + roundMs / 10;
  const end = countFrom + roundMs;
  const times: number[] = [];
  let transactions = 0;
  const cpuBefore = processorTime(backends);
  await Promise.all(
    workers.map(async (client) => {
      for (let from = performance.now(); from < end; ) {
        await runTransaction(client, scale, Math.random);
        transactions += 1;
        const now = performance.now();
        if (from >= countFrom && now <= end) times.push(now - from);
        from = now;
      }
    }),
  );
  times.sort((one, other) => one - other);
  return {
    tps: (times.length * 1000) / roundMs,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    serverCpu: (processorTime(backends) - cpuBefore) / transactions,
  };
}

/** Milliseconds that these processes have run; Linux only. */
function processorTime(pids: readonly number[]): number {
  if (process.platform !== 'linux') return 0;
  return pids.reduce((sum, pid) => sum + Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0);
}

function summarise(rounds: readonly CaptureRound[]): Pick<CaptureSetting, 'on' | 'off' | 'ratio'> {
  const of = (capture: boolean): CaptureRound => {
    const chosen = rounds.filter((round) => round.capture === capture);
    const median = (field: 'tps' | 'p50' | 'p99' | 'serverCpu') => medianOf(chosen.map((round) => round[field]));
    return { capture, tps: median('tps'), p50: median('p50'), p99: median('p99'), serverCpu: median('serverCpu') };
  };
  const ratios = Array.from({ length: rounds.length / 2 }, (_, pair) => {
    const two = rounds.slice(2 * pair, 2 * pair + 2);
    const tps = (capture: boolean) => two.find((round) => round.capture === capture)?.tps ?? 0;
    return tps(true) / tps(false);
  });
  return { on: of(true), off: of(false), ratio: medianOf(ratios) };
}

function medianOf(values: readonly number[]): number {
  return quantile(
    values.toSorted((one, other) => one - other),
    0.5,
  );
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

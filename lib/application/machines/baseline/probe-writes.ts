/**
 * Step `probe-writes`: the plan's number of writes, spread over its time, on each store, each in a transaction that is rolled
 * back. On the target: sampled rows with all that they point to. On legacy: a row set to what it is, skipped where an
 * application holds it. What was counted so far travels in the step's data, so a dry run keeps no record either.
 */
import { STORES, type StoreName } from '../../../domain/direction.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { addLatency, type LatencyHistogram, percentileOf } from '../../../domain/latency-histogram.ts';
import { SqlError, type SqlSession } from '../../../ports/sql.ts';
import { insertRows } from '../../../sql/baseline/insert-rows.ts';
import { rewriteRow } from '../../../sql/baseline/rewrite-row.ts';
import { CREATE_PROBE_TABLE, WRITE_PROBE_ROW } from '../../../sql/baseline/temporary-write.ts';
import { type WriteCountersRow, writeCounters } from '../../../sql/baseline/write-counters.ts';
import type { Statement } from '../../../sql/statement.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { readStoreTables } from '../../read-store-tables.ts';
import { again, judged, type Step } from '../step.ts';
import { BASELINE_WORK } from './check-pools.ts';
import { rolledBack } from './rolled-back.ts';
import { type Sample, sentRows, takeSample } from './sample.ts';

/** A call works for this long and is then called again: far below the function's time-out. */
const CALL_MS = 40_000;
/** Simultaneous transactions of the load test from one function; its drivers hold fewer connections still. */
const MOST_WORKERS = 64;
const PAUSE_AFTER_ERROR_MS = 100;

interface Tally {
  readonly writes: number;
  readonly errors: number;
  readonly latencies: LatencyHistogram;
  /** Distinct messages of the first errors. */
  readonly messages: readonly string[];
}

interface ProbeState {
  readonly work: 'probe-writes';
  readonly startedAt: string;
  readonly counters: Readonly<Record<StoreName, WriteCountersRow>>;
  readonly tallies: Readonly<Record<StoreName, Tally>>;
  /** Set once the probe is over and the plan wants a load test. */
  readonly load: { readonly startedAt: string; readonly tally: Tally } | null;
}

const NOTHING: Tally = { writes: 0, errors: 0, latencies: {}, messages: [] };

export const probeWrites: Step = async (deps, run, data) => {
  const migration = await loadMigration(deps);
  const stores = {
    legacy: await readStoreTables(deps.databases, 'legacy', migration.tables),
    target: await readStoreTables(deps.databases, 'target', migration.tables),
  };
  const sample = await takeSample(migration, stores, 1);
  const writes = { legacy: legacyWrites(migration, sample), target: targetWrites(migration, sample) };
  const state = isProbeState(data) ? data : await start(migration);
  const deadline = deps.clock.now().getTime() + CALL_MS;
  if (state.load === null) {
    const [legacy, target] = await Promise.all(
      STORES.map((store) => probeStore(deps, store, writes[store], state, deadline)),
    );
    const tallies = { legacy: legacy ?? NOTHING, target: target ?? NOTHING };
    const next: ProbeState = { ...state, tallies };
    if (STORES.some((store) => tallies[store].writes < deps.plan.baseline.probeWrites))
      return again(0, { data: next, notes: [progressNote(deps, next)] });
    if (!deps.plan.baseline.loadTest) return judge(migration, run.dryRun, next);
    return again(0, { data: { ...next, load: { startedAt: deps.clock.now().toISOString(), tally: NOTHING } } });
  }
  const tally = await loadTarget(deps, writes.target, state.load, deadline);
  const next: ProbeState = { ...state, load: { ...state.load, tally } };
  const over = deps.clock.now().getTime() >= Date.parse(state.load.startedAt) + deps.plan.baseline.loadTestFor;
  return over
    ? judge(migration, run.dryRun, next)
    : again(0, { data: next, notes: [`load test: ${tally.writes} writes, ${tally.errors} failed`] });
};

async function start(migration: Migration): Promise<ProbeState> {
  return {
    work: 'probe-writes',
    startedAt: migration.deps.clock.now().toISOString(),
    counters: { legacy: await readCounters(migration, 'legacy'), target: await readCounters(migration, 'target') },
    tallies: { legacy: NOTHING, target: NOTHING },
    load: null,
  };
}

async function readCounters(migration: Migration, store: StoreName): Promise<WriteCountersRow> {
  const relations = migration.tables.map(({ schema, relation }) => [schema, relation] as const);
  const [row] = await migration.deps.databases.open(store, 'compare').query<WriteCountersRow>(writeCounters(relations));
  return row ?? { rows: '0', commits: '0' };
}

/** Statements of one transaction; the n-th transaction gets `n`, so that rows take turns. */
type Writes = (n: number) => readonly Statement[];

function targetWrites(migration: Migration, sample: Sample): Writes {
  const statements = migration.tables.flatMap((table) => {
    const rows = sentRows(sample, table).flatMap(({ row }) => row ?? []);
    return rows.length === 0 ? [] : [insertRows(table, rows)];
  });
  return statements.length === 0 ? temporaryWrites : () => statements;
}

function legacyWrites(migration: Migration, sample: Sample): Writes {
  const filled = migration.tables.flatMap((table) => {
    const keys = sentRows(sample, table).map(({ row_key }) => row_key);
    return keys.length === 0 ? [] : [{ table, keys }];
  });
  if (filled.length === 0) return temporaryWrites;
  // One row a transaction: an application that wants it waits for one round trip.
  return (n) => {
    const chosen = filled[n % filled.length];
    const key = chosen?.keys[Math.floor(n / filled.length) % chosen.keys.length];
    return chosen === undefined || key === undefined ? [] : [rewriteRow(chosen.table, key)];
  };
}

const temporaryWrites: Writes = () => [CREATE_PROBE_TABLE, WRITE_PROBE_ROW];

async function probeStore(
  deps: Deps,
  store: StoreName,
  writes: Writes,
  state: ProbeState,
  deadline: number,
): Promise<Tally> {
  const { probeFor, probeWrites: wanted } = deps.plan.baseline;
  const startedAt = Date.parse(state.startedAt);
  let tally = state.tallies[store];
  for (let n = tally.writes; tally.writes < wanted && deps.clock.now().getTime() < deadline; n++) {
    const due = ((deps.clock.now().getTime() - startedAt) / probeFor) * wanted;
    if (tally.writes > due)
      await deps.clock.sleep(Math.min(1_000, Math.max(1, ((tally.writes - due) / wanted) * probeFor)));
    else tally = await writeOnce(deps, store, writes(n), tally);
  }
  deps.metrics.record('errorRate', errorPercent(tally), { store });
  return tally;
}

async function writeOnce(
  deps: Deps,
  store: StoreName,
  statements: readonly Statement[],
  before: Tally,
): Promise<Tally> {
  let tally = before;
  const timed = async (session: SqlSession, statement: Statement) => {
    const from = deps.clock.now().getTime();
    await session.query(statement);
    const took = deps.clock.now().getTime() - from;
    deps.metrics.record('writeLatency', took, { store });
    tally = { ...tally, writes: tally.writes + 1, latencies: addLatency(tally.latencies, took) };
  };
  try {
    await rolledBack(deps.databases.open(store, 'apply'), async (session) => {
      for (const statement of statements) await timed(session, statement);
    });
    return tally;
  } catch (error) {
    if (!(error instanceof SqlError) || error.kind === 'configuration') throw error;
    await deps.clock.sleep(PAUSE_AFTER_ERROR_MS);
    const messages = tally.messages.includes(error.message)
      ? tally.messages
      : [...tally.messages, error.message].slice(0, 5);
    return { ...tally, writes: tally.writes + 1, errors: tally.errors + 1, messages };
  }
}

/** As many transactions at once as the pool is to have, as far as one function and its driver reach. */
async function loadTarget(
  deps: Deps,
  writes: Writes,
  load: NonNullable<ProbeState['load']>,
  deadline: number,
): Promise<Tally> {
  const end = Math.min(deadline, Date.parse(load.startedAt) + deps.plan.baseline.loadTestFor);
  const tallies = await Promise.all(
    Array.from({ length: Math.min(deps.plan.pools.target, MOST_WORKERS) }, async (_, worker) => {
      let tally = NOTHING;
      for (let n = worker; deps.clock.now().getTime() < end; n++)
        tally = await writeOnce(deps, 'target', writes(n), tally);
      return tally;
    }),
  );
  return tallies.reduce(addTallies, load.tally);
}

function addTallies(one: Tally, other: Tally): Tally {
  const buckets = new Set([...Object.keys(one.latencies), ...Object.keys(other.latencies)]);
  return {
    writes: one.writes + other.writes,
    errors: one.errors + other.errors,
    latencies: Object.fromEntries(
      [...buckets].map((bucket) => [bucket, (one.latencies[bucket] ?? 0) + (other.latencies[bucket] ?? 0)]),
    ),
    messages: [...new Set([...one.messages, ...other.messages])].slice(0, 5),
  };
}

async function judge(migration: Migration, dryRun: boolean, state: ProbeState) {
  const { deps } = migration;
  const now = deps.clock.now();
  const gate = (name: string, tally: Tally, source: string) =>
    judgeGate(
      {
        gate: name,
        value: tally.writes === 0 ? null : errorPercent(tally),
        threshold: deps.plan.baseline.errorRatePercent,
        comparison: 'below',
        unit: '%',
        source,
        measuredAt: now,
        details: [`${tally.errors} of ${tally.writes} writes failed`, ...tally.messages],
      },
      now,
    );
  const rates = await writeRates(migration, state);
  const gates = [
    ...STORES.map((store) =>
      gate(
        `probe-error-rate-${store}`,
        state.tallies[store],
        `${state.tallies[store].writes} probe writes to ${store}, rolled back`,
      ),
    ),
    ...(state.load === null
      ? []
      : [
          gate(
            'load-test-error-rate',
            state.load.tally,
            `${state.load.tally.writes} writes of the load test, rolled back`,
          ),
        ]),
  ];
  const latencies = Object.fromEntries(STORES.map((store) => [store, describeLatency(state.tallies[store])]));
  if (!dryRun) {
    const known = (await deps.documents.get('progress', BASELINE_WORK))?.value.state ?? {};
    const measured = { measuredAt: now.toISOString(), writeRates: rates, latencies };
    await deps.documents.put(
      'progress',
      BASELINE_WORK,
      { work: BASELINE_WORK, state: { ...known, ...measured }, at: now.toISOString() },
      'any',
    );
  }
  return judged(gates, {
    notes: [
      ...STORES.map(
        (store) =>
          `${store}: ${state.tallies[store].writes} probe writes rolled back, ${state.tallies[store].errors} failed, p50 ${latencies[store]?.p50} ms, p99 ${latencies[store]?.p99} ms`,
      ),
      `legacy: applications wrote ${rates.legacy.toFixed(1)} rows a second meanwhile`,
      `no failure among n writes bounds the error rate at 3/n: ${(300 / deps.plan.baseline.probeWrites || 0).toPrecision(2)} %`,
      ...(state.load === null
        ? []
        : [
            `load test: ${state.load.tally.writes} writes, p99 ${describeLatency(state.load.tally).p99} ms; one function and its driver bound how many run at once`,
          ]),
    ],
  });
}

/** Rows a second that others wrote: the store's own count without the probe's. */
async function writeRates(migration: Migration, state: ProbeState): Promise<Readonly<Record<StoreName, number>>> {
  const seconds = Math.max(0.001, (migration.deps.clock.now().getTime() - Date.parse(state.startedAt)) / 1000);
  const rate = async (store: StoreName) => {
    const rows = Number((await readCounters(migration, store)).rows) - Number(state.counters[store].rows);
    // The target's writes at this time are the probe's own: several rows each, so their number says nothing.
    return store === 'target' ? 0 : Math.max(0, rows - state.tallies[store].writes) / seconds;
  };
  return { legacy: await rate('legacy'), target: await rate('target') };
}

function describeLatency({ latencies }: Tally): { readonly p50: number | null; readonly p99: number | null } {
  return { p50: percentileOf(latencies, 50), p99: percentileOf(latencies, 99) };
}

function progressNote(deps: Deps, { tallies }: ProbeState): string {
  return STORES.map(
    (store) =>
      `${store}: ${tallies[store].writes} of ${deps.plan.baseline.probeWrites} probe writes, ${tallies[store].errors} failed`,
  ).join('; ');
}

function errorPercent({ writes, errors }: Tally): number {
  return writes === 0 ? 0 : (errors / writes) * 100;
}

/** The step's own data comes back as JSON; any other data is of the step before. */
function isProbeState(data: unknown): data is ProbeState {
  return typeof data === 'object' && data !== null && 'work' in data && data.work === 'probe-writes';
}

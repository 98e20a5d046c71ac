/** Synthetic reads of both stores for `reads.parity.for`: first legacy against itself, which shows the noise, then against the target. */
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import { type ReplicaLagRow, replicaLag } from '../../../sql/reads/replica-lag.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import {
  addParity,
  compareReads,
  NO_READS,
  type Parity,
  type ParityDifference,
  sampleReads,
} from '../../reads/parity.ts';
import { again, judged, type Step } from '../step.ts';

/** One call of the function works this long, then asks to be called again. */
const SLICE_MS = 40_000;
/** Between two rounds; also what lets time go by where a table is empty. */
const PAUSE_MS = 50;
/** Differences that travel in a step's data. */
const MOST_SHOWN = 20;

interface Progress {
  readonly startedAt: number;
  readonly noise: Parity;
  readonly parity: Parity;
}

export const checkParity: Step = async (deps, run, data) => {
  const migration = await loadMigration(deps);
  const begun = deps.clock.now().getTime();
  let progress = readProgress(data) ?? (await start(migration, run.scope, begun));
  const isOver = () => {
    const now = deps.clock.now().getTime();
    return now - progress.startedAt >= deps.plan.reads.parity.for || progress.parity.differences.length >= MOST_SHOWN;
  };
  do {
    const reads = await sampleReads(migration, run.scope);
    progress = {
      ...progress,
      parity: bounded(addParity(progress.parity, await compareReads(migration, reads, 'target'))),
    };
    await deps.clock.sleep(PAUSE_MS);
    // A dry run reads each sample once.
  } while (!run.dryRun && !isOver() && deps.clock.now().getTime() - begun < SLICE_MS);

  const { noise, parity } = progress;
  const replica = await checkReplica(deps);
  const notes = [
    `${parity.reads} synthetic reads of both stores, ${parity.inFlight} on their way, ${parity.unsettled} kept changing`,
    `noise floor: ${noise.differences.length} of ${noise.reads} reads of legacy differ from themselves`,
    replica.note,
  ];
  if (!run.dryRun && !isOver()) return again(0, { notes, data: { parity: progress } });
  return judged([...gatesOf(progress, deps.clock.now()), ...replica.gates], { notes });
};

async function start(migration: Migration, scope: readonly string[], startedAt: number): Promise<Progress> {
  const reads = await sampleReads(migration, scope);
  return { startedAt, noise: bounded(await compareReads(migration, reads, 'legacy')), parity: NO_READS };
}

function gatesOf({ noise, parity }: Progress, now: Date): readonly GateDecision[] {
  const none = (gate: string, value: number, source: string, details: readonly string[]) =>
    judgeGate({ gate, value, threshold: 0, comparison: 'equals', unit: 'rows', source, measuredAt: now, details }, now);
  return [
    none('read-noise', noise.differences.length, 'reads of legacy, twice', noise.differences.map(show)),
    none('read-parity', parity.differences.length, 'reads of both stores', parity.differences.map(show)),
    none(
      'reads-unanswered',
      parity.unread.length + noise.unread.length,
      'reads of both stores',
      [...noise.unread, ...parity.unread]
        .slice(0, MOST_SHOWN)
        .map(({ table, rowKey }) => `${table} ${rowKey}: a store did not answer`),
    ),
  ];
}

function show({ table, rowKey, columns }: ParityDifference): string {
  return `${table} ${rowKey}: ${columns.join(', ')}`;
}

function bounded(parity: Parity): Parity {
  return {
    ...parity,
    differences: parity.differences.slice(0, MOST_SHOWN),
    unread: parity.unread.slice(0, MOST_SHOWN),
  };
}

/** Reads of a configured replica must find what the writer has applied (guide phase 4). */
async function checkReplica(deps: Deps): Promise<{ readonly gates: readonly GateDecision[]; readonly note: string }> {
  const { target, reads } = deps.plan;
  const reader = target.driver === 'pg' ? target.reader : undefined;
  if (reader === undefined) return { gates: [], note: 'read replicas of the target: none configured' };
  const [row] = await deps.databases.open('target', 'read').query<ReplicaLagRow>(replicaLag);
  const now = deps.clock.now();
  const gate = judgeGate(
    {
      gate: 'replica-lag',
      value: row?.lag_ms ?? null,
      threshold: reads.replicaLagLimit,
      comparison: 'at most',
      unit: 'ms',
      source: reader,
      measuredAt: now,
    },
    now,
  );
  return { gates: [gate], note: `read replica of the target: ${reader}, ${row?.lag_ms ?? 'unknown'} ms behind` };
}

function readProgress(data: unknown): Progress | undefined {
  // What this step itself handed on.
  return typeof data === 'object' && data !== null && 'parity' in data ? (data.parity as Progress) : undefined;
}

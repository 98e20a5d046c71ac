/**
 * Step `retire-reverse`: the reverse outbox kept up for the plan's time, then reverse capture is removed from the target, then
 * what was captured last is drained, so that legacy is equal once more at the end of its life. The fence on legacy stays.
 */
import type { StepResult } from '../../../contracts/machine-io.ts';
import { counted } from '../../../domain/counted.ts';
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import { idleFor, longestGap, lookAgain, lookEvery } from '../../../domain/idle-clock.ts';
import type { MigratedTable } from '../../../domain/table.ts';
import { endComparison } from '../../../sql/decommission/complete-tenants.ts';
import { dropCapture, type Relations } from '../../../sql/install/capture.ts';
import type { Statement } from '../../../sql/statement.ts';
import type { Deps } from '../../deps.ts';
import { partitionsOf } from '../../install/install.ts';
import { withLock } from '../../install/with-lock.ts';
import { loadMigration } from '../../migration.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { type OutboxHealth, readHealth } from '../../relay/health.ts';
import { mirrorTenants } from '../../tenants/exposure.ts';
import { again, judged, proceed, type Step } from '../step.ts';
import { markRetired, REVERSE_IDLE, readClock, readRetired, saveClock } from './phase.ts';

/** Looking for a quiet time ends after this many times the time that is looked for. */
const PATIENCE = 3;
const DRAIN_LOOK_SECONDS = 1;

interface RetireState {
  readonly work: 'retire-reverse';
  readonly startedAt: string;
  /** ISO; capture is removed, what is left is drained. */
  readonly drainingSince: string | null;
}

export const retireReverse: Step = async (deps, run, data) => {
  const now = deps.clock.now();
  const state: RetireState = isRetireState(data)
    ? data
    : { work: 'retire-reverse', startedAt: now.toISOString(), drainingSince: null };
  const health = await readHealth(deps, 'reverse');
  if (state.drainingSince !== null) return drain(deps, state, state.drainingSince, health);

  const retired = await readRetired(deps);
  const wanted = deps.plan.decommission.reverseIdleFor;
  const keptUp = health.parked + health.dead === 0 && health.oldestMs <= deps.plan.dualWrite.lagLimit;
  const clock = lookAgain(await readClock(deps, REVERSE_IDLE), { idle: keptUp, now, maxGapMs: longestGap(wanted) });
  if (!run.dryRun) await saveClock(deps, REVERSE_IDLE, clock);
  const quiet = idleFor(clock);
  const waited = now.getTime() - Date.parse(state.startedAt);
  const note = `reverse outbox: ${health.pending + health.retry} undelivered, the oldest ${health.oldestMs} ms old; kept up for ${quiet} of ${wanted} ms`;
  const mayWait =
    !run.dryRun && retired === undefined && health.parked + health.dead === 0 && waited < PATIENCE * wanted;
  if (quiet < wanted && mayWait)
    return again(Math.max(1, Math.min(wanted - quiet, lookEvery(wanted)) / 1000), { data: state, notes: [note] });

  // Once capture has begun to go there is no way back, so a repeated run only finishes it.
  const gates = [setAsideGate(deps, health), ...(retired === undefined ? [quietGate(deps, quiet, wanted)] : [])];
  const verdict = judged(gates, { notes: [note] });
  if (!verdict.proceed) return verdict;
  if (run.dryRun) return proceed({ gates, notes: [note, 'would remove reverse capture from the target'] });
  return { ...(await retire(deps, state, () => markRetired(deps, run))), gates };
};

async function retire(deps: Deps, state: RetireState, mark: () => Promise<void>): Promise<StepResult> {
  const migration = await loadMigration(deps);
  await mark();
  await deps.databases.open('target', 'relay').query(endComparison);
  await mirrorTenants(deps, 'reverse');
  const session = deps.databases.open('target', 'install');
  for (const table of migration.tables)
    await withLock(
      deps,
      session,
      deps.plan.capture,
      `removing capture of ${table.name}`,
      removalOf(table, await partitionsOf(migration, 'target', table)),
    );
  const clients = migration.tables.filter(({ capture }) => capture === 'client').map(({ name }) => name);
  await ensureRelay(deps, 'reverse');
  return again(DRAIN_LOOK_SECONDS, {
    data: { ...state, drainingSince: deps.clock.now().toISOString() },
    notes: [
      `reverse capture removed from ${counted(migration.tables.length, 'table')} of the target; the fence on legacy stays`,
      ...(clients.length === 0
        ? []
        : [
            `${clients.join(', ')}: applications still call the client library's capture function; take the calls out, then drop schema crossfade`,
          ]),
    ],
  });
}

/** Applications that capture by the client library call its function: taking it away would make their writes fail. */
function removalOf(table: MigratedTable, relations: Relations): readonly Statement[] {
  const statements = dropCapture(table, relations);
  return table.capture === 'client' ? statements.filter(({ text }) => text.startsWith('DROP TRIGGER')) : statements;
}

async function drain(deps: Deps, state: RetireState, since: string, health: OutboxHealth): Promise<StepResult> {
  const undelivered = health.pending + health.retry;
  const now = deps.clock.now();
  if (
    undelivered > 0 &&
    health.parked + health.dead === 0 &&
    now.getTime() - Date.parse(since) < deps.plan.switchover.drainTimeout
  ) {
    await ensureRelay(deps, 'reverse');
    return again(DRAIN_LOOK_SECONDS, {
      data: state,
      notes: [`${counted(undelivered, 'event')} of the reverse outbox left`],
    });
  }
  const drained = judgeGate(
    {
      gate: 'reverse-drained',
      value: undelivered,
      threshold: 0,
      comparison: 'equals',
      unit: 'events',
      source: 'crossfade.outbox of the target',
      measuredAt: now,
      details: ['look at the reverse relay with npx crossfade doctor, then start decommission again: it goes on here'],
    },
    now,
  );
  return judged([drained, setAsideGate(deps, health)], {
    notes: ['the reverse outbox is drained: legacy holds every write up to the end of capture'],
  });
}

function setAsideGate(deps: Deps, health: OutboxHealth): GateDecision {
  return judgeGate(
    {
      gate: 'reverse-set-aside',
      value: health.parked + health.dead,
      threshold: 0,
      comparison: 'equals',
      unit: 'events',
      source: 'crossfade.outbox of the target',
      measuredAt: new Date(health.at),
      details: health.setAside.map(
        ({ state, table_name, row_key, reason }) => `${state} ${table_name} ${row_key}: ${reason}`,
      ),
    },
    deps.clock.now(),
  );
}

function quietGate(deps: Deps, quiet: number, wanted: number): GateDecision {
  const now = deps.clock.now();
  return judgeGate(
    {
      gate: 'reverse-idle-for',
      value: quiet,
      threshold: wanted,
      comparison: 'at least',
      unit: 'ms',
      source: `progress ${REVERSE_IDLE}: looks at the reverse outbox`,
      measuredAt: now,
      details: [`an event undelivered for more than ${deps.plan.dualWrite.lagLimit} ms restarts this clock`],
    },
    now,
  );
}

/** The step's own data comes back as JSON; any other data is of the step before. */
function isRetireState(data: unknown): data is RetireState {
  return typeof data === 'object' && data !== null && 'work' in data && data.work === 'retire-reverse';
}

/**
 * Step `check-connections`: no application is connected to legacy, none could write there, and it stays so for the plan's time
 * (guide, phase 5: "zero active connections to legacy write endpoints"). Idle connections count; Crossfade's own do not.
 */
import { judgeGate, type Measurement } from '../../../domain/gate.ts';
import { idleFor, longestGap, lookAgain, lookEvery } from '../../../domain/idle-clock.ts';
import { clientSessions, type SessionGroupRow } from '../../../sql/decommission/sessions.ts';
import { preparedTransactions } from '../../../sql/switchover/prepared-transactions.ts';
import type { Deps } from '../../deps.ts';
import { storeRoles, unfencedTables } from '../../install/install.ts';
import { loadMigration } from '../../migration.ts';
import { again, judged, type Step } from '../step.ts';
import { LEGACY_IDLE, readClock, saveClock } from './phase.ts';

export const checkConnections: Step = async (deps, run) => {
  const { decommission } = deps.plan;
  const { applications, others } = await readSessions(deps);
  const [prepared] = await deps.databases.open('legacy', 'compare').query<{ prepared: number }>(preparedTransactions);
  const unfenced = await unfencedTables(await loadMigration(deps), 'reverse');
  const now = deps.clock.now();
  const idle = applications.length === 0 && prepared?.prepared === 0 && unfenced.length === 0;
  const clock = lookAgain(await readClock(deps, LEGACY_IDLE), {
    idle,
    now,
    maxGapMs: longestGap(decommission.idleFor),
  });
  if (!run.dryRun) await saveClock(deps, LEGACY_IDLE, clock);

  const remaining = decommission.idleFor - idleFor(clock);
  const notes = [
    `legacy: ${applications.length === 0 ? 'no application is connected' : `${applications.length} kinds of application connections`}${clock === null ? '' : `, idle since ${clock.since} in ${clock.looks} looks`}`,
    ...others.map(
      (group) =>
        `not counted: ${describe(group)} (a superuser; name the role in applicationRoles if an application uses it)`,
    ),
  ];
  if (idle && remaining > 0 && !run.dryRun)
    return again(Math.min(remaining, lookEvery(decommission.idleFor)) / 1000, { notes });
  const gate = (measurement: Omit<Measurement, 'measuredAt'>) => judgeGate({ ...measurement, measuredAt: now }, now);
  return judged(
    [
      gate({
        gate: 'legacy-connections',
        value: applications.reduce((sum, { connections }) => sum + Number(connections), 0),
        threshold: 0,
        comparison: 'equals',
        unit: 'connections',
        source: 'pg_stat_activity of legacy',
        details: applications.map(describe),
      }),
      gate({
        gate: 'legacy-prepared-transactions',
        value: prepared?.prepared ?? null,
        threshold: 0,
        comparison: 'equals',
        source: 'pg_prepared_xacts of legacy',
        details: ['end them with COMMIT PREPARED or ROLLBACK PREPARED'],
      }),
      gate({
        gate: 'legacy-fenced',
        value: unfenced.length,
        threshold: 0,
        comparison: 'equals',
        unit: 'tables without a fence',
        source: 'pg_trigger of legacy',
        details: unfenced.map((table) => `${table} of legacy accepts application writes`),
      }),
      gate({
        gate: 'legacy-idle-for',
        value: idleFor(clock),
        threshold: decommission.idleFor,
        comparison: 'at least',
        unit: 'ms',
        source: `progress ${LEGACY_IDLE}: looks at pg_stat_activity`,
        details: [
          clock === null
            ? 'the clock starts when the last application has left'
            : `no application since ${clock.since}`,
        ],
      }),
    ],
    { notes },
  );
};

async function readSessions(deps: Deps) {
  const ours = new Set(Object.values(await storeRoles(deps, 'legacy')));
  const { applicationRoles } = deps.plan;
  const groups = await deps.databases.open('legacy', 'compare').query<SessionGroupRow>(clientSessions);
  const foreign = groups.filter(({ role }) => applicationRoles.includes(role) || !ours.has(role));
  const counts = ({ role, superuser }: SessionGroupRow) => applicationRoles.includes(role) || !superuser;
  return { applications: foreign.filter(counts), others: foreign.filter((group) => !counts(group)) };
}

function describe({ role, application, connections }: SessionGroupRow): string {
  return `${connections} connections of ${role}${application === '' ? '' : ` (${application})`}`;
}

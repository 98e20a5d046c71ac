/** The way back from decommission, while reverse capture is still there: nothing moved yet, so it is looked at and said. After it there is only the archive. */
import { judgeGate } from '../../../domain/gate.ts';
import { uncapturedTables } from '../../install/install.ts';
import { loadMigration } from '../../migration.ts';
import { readHealth } from '../../relay/health.ts';
import { directionInForce, latestJournal } from '../../switch/authority.ts';
import { judged, proceed, refuse, type Step } from '../step.ts';
import { LEGACY_IDLE, REVERSE_IDLE, readRetired } from './phase.ts';

/** Rollback step `reopen`. */
export const reopen: Step = async (deps, run) => {
  const retired = await readRetired(deps);
  if (retired !== undefined) {
    return refuse([
      `reverse capture was retired at ${retired.at} by ${retired.by}: legacy has missed every write to the target since, and going back would lose them`,
      `what there is: the archive in ${deps.objects.bucket}/archive/${retired.execution.split(':').at(-1)}/, to be restored beside the target; repair the target's data forward from it`,
    ]);
  }
  if ((await directionInForce(deps)) === 'forward')
    return refuse(['legacy is authoritative: there is no decommission to undo']);
  if (run.dryRun) return proceed({ notes: ['would forget the idle times of decommission'] });
  for (const id of [LEGACY_IDLE, REVERSE_IDLE]) await deps.documents.remove('progress', id);
  return proceed({ notes: ['decommission begins anew; legacy is kept equal by the reverse relay'] });
};

/** Rollback step `verify-reverse`: a way back over the switchover exists. */
export const verifyReverse: Step = async (deps) => {
  const uncaptured = await uncapturedTables(await loadMigration(deps), 'reverse');
  const journal = await latestJournal(deps);
  const health = await readHealth(deps, 'reverse');
  const now = deps.clock.now();
  const gate = (
    name: string,
    value: number | string | null,
    threshold: number | string,
    source: string,
    details: readonly string[],
  ) =>
    judgeGate(
      {
        gate: name,
        value,
        threshold,
        comparison: typeof threshold === 'string' || threshold === 0 ? 'equals' : 'at most',
        source,
        measuredAt: now,
        details,
      },
      now,
    );
  return judged(
    [
      gate('direction', journal?.direction ?? null, 'reverse', 'journal', ['the target is not authoritative']),
      gate(
        'reverse-capture',
        uncaptured.length,
        0,
        'pg_trigger of the target',
        uncaptured.map((table) => `${table} is not captured in the target`),
      ),
      gate(
        'reverse-set-aside',
        health.parked + health.dead,
        0,
        'crossfade.outbox of the target',
        health.setAside.map(({ state, table_name, row_key, reason }) => `${state} ${table_name} ${row_key}: ${reason}`),
      ),
      gate('reverse-lag', health.oldestMs, deps.plan.dualWrite.lagLimit, 'crossfade.outbox of the target', [
        'the reverse relay does not keep up; run: npx crossfade doctor',
      ]),
    ],
    {
      notes: [
        `reverse outbox: ${health.pending + health.retry} undelivered, ${health.delivered} delivered in the last ${health.windowMs} ms`,
      ],
    },
  );
};

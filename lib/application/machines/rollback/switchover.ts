/** Going back over the switchover: the same, mirrored (protocol §9.5). Nothing that the target acknowledged is lost. */
import { judgeGate } from '../../../domain/gate.ts';
import {
  fenceStore,
  installedTriggers,
  isFenced,
  relationsOf,
  unfencedTables,
  unfenceStore,
} from '../../install/install.ts';
import { loadMigration } from '../../migration.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { decideAuthority, directionInForce } from '../../switch/authority.ts';
import { drainDirection } from '../../switch/drain.ts';
import { raiseSequences } from '../../switch/sequences.ts';
import { endWritePause, startWritePause } from '../../switch/write-pause.ts';
import { mirrorTenants, setStage, tenantStates } from '../../tenants/exposure.ts';
import { judged, proceed, refuse, type Step } from '../step.ts';

export const fenceTarget: Step = async (deps, run) => {
  if ((await directionInForce(deps)) === 'forward')
    return refuse(['legacy is authoritative: there is no switchover to go back over']);
  if (run.dryRun) return proceed({ notes: ['would fence the target against application writes'] });
  await startWritePause(deps, 'rollback');
  const fenced = await fenceStore(await loadMigration(deps), 'target');
  return proceed({ notes: [`the target is fenced${fenced.length === 0 ? ' already' : `: ${fenced.join(', ')}`}`] });
};

export const drainReverse: Step = (deps, run, data) => drainDirection(deps, run, 'reverse', data);

export const setLegacySequences: Step = async (deps, run) => {
  const lines = await raiseSequences(await loadMigration(deps), 'reverse', run.dryRun);
  return proceed({ notes: lines });
};

export const returnAuthority: Step = async (deps, run) => {
  if (run.dryRun) return proceed({ notes: ['would record in the journal that legacy is authoritative again'] });
  const n = await decideAuthority(deps, {
    direction: 'forward',
    stage: 'live',
    by: run.requestedBy,
    why: 'rollback of switchover',
    execution: run.execution,
  });
  return proceed({ notes: [`journal entry ${n}: legacy is authoritative again`] });
};

export const unfenceLegacyAgain: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  await unfenceStore(await loadMigration(deps), 'legacy');
  const pause = await endWritePause(deps, 'rollback');
  const tenants = (await tenantStates(deps, 'forward')).filter((state) => state.is_on).map((state) => state.tenant);
  // Reads go on at the target, which is equal, with legacy behind them again.
  await setStage(deps, 'forward', tenants, 'live', 100, 'rollback of switchover');
  await mirrorTenants(deps, 'forward', { tenants, readPercent: 100 });
  await ensureRelay(deps, 'forward');
  return proceed({ notes: [`legacy takes application writes; they were paused for ${pause} ms`] });
};

/** The way out when the mirrored switch is refused before its journal entry: the target goes on as it was. */
export const unfenceTargetAgain: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  if ((await directionInForce(deps)) === 'forward')
    return proceed({
      notes: [
        'the journal says that legacy is authoritative: the target stays fenced; start the rollback again to complete it',
      ],
    });
  await unfenceStore(await loadMigration(deps), 'target');
  return proceed({ notes: ['the target is unfenced and authoritative as before'] });
};

export const verifyAuthority: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  const migration = await loadMigration(deps);
  const now = deps.clock.now();
  const triggers = await installedTriggers(deps, 'legacy');
  const fenced = (await relationsOf(migration, 'legacy')).filter((relation) => isFenced(triggers, relation));
  const open = await unfencedTables(migration, 'forward');
  return judged([
    judgeGate(
      {
        gate: 'authority',
        value: await directionInForce(deps),
        threshold: 'forward',
        comparison: 'equals',
        source: 'journal',
        measuredAt: now,
      },
      now,
    ),
    judgeGate(
      {
        gate: 'legacy-open',
        value: fenced.length,
        threshold: 0,
        comparison: 'equals',
        unit: 'fenced tables',
        source: 'triggers of legacy',
        measuredAt: now,
      },
      now,
    ),
    judgeGate(
      {
        gate: 'target-fenced',
        value: open.length,
        threshold: 0,
        comparison: 'equals',
        unit: 'open tables',
        source: 'triggers of the target',
        measuredAt: now,
        details: open,
      },
      now,
    ),
  ]);
};

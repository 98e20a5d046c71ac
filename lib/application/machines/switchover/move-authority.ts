/** The point of no return and what follows it. */
import { uncapturedTables, unfenceStore } from '../../install/install.ts';
import { loadMigration } from '../../migration.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { decideAuthority } from '../../switch/authority.ts';
import { raiseSequences } from '../../switch/sequences.ts';
import { endWritePause } from '../../switch/write-pause.ts';
import { mirrorTenants, tenantStates } from '../../tenants/exposure.ts';
import { proceed, refuse, type Step } from '../step.ts';

export const setSequences: Step = async (deps, run) => {
  const lines = await raiseSequences(await loadMigration(deps), 'forward', run.dryRun);
  return proceed({ notes: lines.map((line) => (run.dryRun ? `would set ${line}` : line)) });
};

export const moveAuthority: Step = async (deps, run) => {
  if (run.dryRun) return proceed({ notes: ['would record in the journal that the target is authoritative'] });
  // Writes on the target before its capture is in place would never reach legacy (protocol §9.1).
  const uncaptured = await uncapturedTables(await loadMigration(deps), 'reverse');
  if (uncaptured.length > 0)
    return refuse([`reverse capture is missing on ${uncaptured.join(', ')} of the target; start switchover again`]);
  const n = await decideAuthority(deps, {
    direction: 'reverse',
    stage: 'rampdown',
    by: run.requestedBy,
    why: 'switchover',
    execution: run.execution,
  });
  return proceed({
    notes: [`journal entry ${n}: the target is authoritative; past this point the way back is rollback switchover`],
  });
};

export const unfenceTarget: Step = async (deps, run) => {
  if (run.dryRun)
    return proceed({ notes: ['would open the target for application writes and start the reverse relay'] });
  await unfenceStore(await loadMigration(deps), 'target');
  const pause = await endWritePause(deps, 'switchover');
  const tenants = (await tenantStates(deps, 'reverse')).map((state) => state.tenant);
  await mirrorTenants(deps, 'reverse', { tenants, readPercent: 100 });
  await ensureRelay(deps, 'reverse');
  return proceed({
    notes: [
      `the target takes application writes; they were paused for ${pause} ms`,
      'the reverse relay keeps legacy equal',
    ],
  });
};

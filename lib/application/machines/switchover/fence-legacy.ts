/** Fences legacy and waits for the writers in it; from here the write pause runs until the target is unfenced. */
import { fenceStore, unfenceStore } from '../../install/install.ts';
import { loadMigration } from '../../migration.ts';
import { directionInForce } from '../../switch/authority.ts';
import { startWritePause } from '../../switch/write-pause.ts';
import { proceed, type Step } from '../step.ts';

export const fenceLegacy: Step = async (deps, run) => {
  if (run.dryRun) return proceed({ notes: ['would fence legacy against application writes'] });
  if ((await directionInForce(deps)) === 'reverse')
    return proceed({ notes: ['authority has moved already; legacy stays fenced'] });
  await startWritePause(deps, 'switchover');
  const fenced = await fenceStore(await loadMigration(deps), 'legacy');
  return proceed({ notes: [`legacy is fenced${fenced.length === 0 ? ' already' : `: ${fenced.join(', ')}`}`] });
};

/** The way out of a switchover that was refused or failed before the journal. Past the journal the only way is forward. */
export const unfenceLegacy: Step = async (deps, run) => {
  if (run.dryRun) return proceed();
  if ((await directionInForce(deps)) === 'reverse') {
    return proceed({
      notes: [
        'the journal says that the target is authoritative: legacy stays fenced; start switchover again to complete it',
      ],
    });
  }
  await unfenceStore(await loadMigration(deps), 'legacy');
  return proceed({ notes: ['legacy is unfenced and authoritative as before'] });
};

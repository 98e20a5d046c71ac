/** Nothing goes on over an incident that is open: what was compared before it proves nothing about what happened in it. */
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import type { Deps } from '../deps.ts';
import { loadMigration } from '../migration.ts';
import { directionInForce } from '../switch/authority.ts';
import { openIncidents } from './incidents.ts';
import { watchStores } from './watch-stores.ts';

const SHOWN = 20;

/** @param options.mended whether one that was mended and waits for a clean full pass still counts; not before there is a pass. */
export async function incidentGate(
  deps: Deps,
  { mended = true }: { readonly mended?: boolean } = {},
): Promise<GateDecision> {
  // Judged by what is so now: an incident that was mended a moment ago has not to be waited for.
  await watchStores(await loadMigration(deps), await directionInForce(deps));
  const now = deps.clock.now();
  const open = (await openIncidents(deps)).filter(({ mendedAt }) => mended || mendedAt === undefined);
  return judgeGate(
    {
      gate: 'no-incidents',
      value: open.length,
      threshold: 0,
      comparison: 'equals',
      unit: 'incidents',
      source: 'incident documents',
      measuredAt: now,
      details: open.slice(0, SHOWN).map(({ id, says }) => `${id}: ${says}; run: npx crossfade incidents show`),
    },
    now,
  );
}

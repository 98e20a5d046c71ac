/** Follows the flags once a minute, so that a wish made anywhere is carried out; does nothing before dual-write was begun. */
import { readRemoval } from '../../lib/application/machines/rollback/schema-removal.ts';
import { loadMigration } from '../../lib/application/migration.ts';
import { watchOver } from '../../lib/application/operate/watch-over.ts';
import { carryOutReadWish } from '../../lib/application/reads/carry-out-read-wish.ts';
import { directionInForce } from '../../lib/application/switch/authority.ts';
import { type CarriedOut, carryOutWish } from '../../lib/application/tenants/carry-out-wish.ts';
import { copyTurnedOn } from '../../lib/application/tenants/copy-turned-on.ts';
import { createHandler } from '../shared/handler.ts';

export const handler = createHandler<unknown, CarriedOut | { readonly idle: string }>(async (deps) => {
  const dualWrite = await deps.documents.get('machine', 'dual-write');
  if (Object.keys(dualWrite?.value.passed ?? {}).length === 0)
    return { idle: 'dual-write has not passed for anybody; the machine exposes tenants first' };
  if ((await readRemoval(deps))?.begun === true) return { idle: 'the schema is being rolled back' };
  // A `cdk deploy` sets the protection back to the template's value.
  const decommission = await deps.documents.get('machine', 'decommission');
  if (decommission?.value.last?.outcome === 'passed') return { idle: 'the migration is complete' };
  await deps.protection.set(true);
  const migration = await loadMigration(deps);
  await watchOver(migration);
  if ((await directionInForce(deps)) === 'reverse') return { idle: 'the target is authoritative; exposure is settled' };
  const carried = await carryOutWish(migration);
  if (carried.refused.length > 0) deps.log.warn('a wish was not carried out', { refused: carried.refused });
  await carryOutReadWish(deps);
  await copyTurnedOn(deps);
  return carried;
});

/** Wakes the relay of a direction when it has not been heard of lately. A hint: its schedule is the guarantee. */
import type { Direction } from '../../domain/direction.ts';
import type { Deps } from '../deps.ts';
import { healthId } from './health.ts';

/** A relay that runs records its health every two seconds. */
const SILENT_MS = 6_000;

export async function ensureRelay(deps: Deps, direction: Direction): Promise<void> {
  const health = await deps.documents.get('progress', healthId(direction));
  const heardAt = health === undefined ? Number.NEGATIVE_INFINITY : Date.parse(health.value.at);
  if (deps.clock.now().getTime() - heardAt > SILENT_MS) await deps.wakeRelay(direction);
}

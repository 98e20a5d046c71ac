/** What the holder of shard 0 does besides delivering, each at its own interval. */
import type { Direction } from '../../domain/direction.ts';
import { SqlError } from '../../ports/sql.ts';
import type { Deps } from '../deps.ts';
import { carryOutRecovery } from '../history/recover.ts';
import type { Migration } from '../migration.ts';
import { carryOutRedrive } from '../operate/carry-out-redrive.ts';
import { carryOutTraces } from '../operate/carry-out-traces.ts';
import { carryOutUndos } from '../operate/carry-out-undos.ts';
import { MEASURE_EVERY_MS, recordSizes } from '../retention/measure.ts';
import { RETENTION_EVERY_MS, retentionOf } from '../retention/retention.ts';
import { isEverybodys } from '../rows/bisect.ts';
import { mendDoors } from '../tenants/exposure.ts';
import { recordHealth } from './health.ts';
import { sweepRetries } from './sweep-retries.ts';
import { workRepairQueue } from './work-repair-queue.ts';

/** Health is recorded, queued repairs are worked and lost retries are swept at these intervals. */
const HEALTH_EVERY_MS = 2_000;
const REPAIR_EVERY_MS = 1_000;
const RECOVER_EVERY_MS = 3_000;
const REDRIVE_EVERY_MS = 3_000;
const UNDO_EVERY_MS = 3_000;
const TRACE_EVERY_MS = 2_000;
const SWEEP_EVERY_MS = 30_000;
const DOORS_EVERY_MS = 10_000;
const CHORE_PAUSES = 20;
const LONGEST_PAUSE_MS = 10_000;
type Chore = () => Promise<void>;

export interface Chores {
  /** Need the source only, and go on while delivery is held or the receiver is down: that is when people look. */
  readonly always: readonly Chore[];
  readonly delivering: readonly Chore[];
}

export const NO_CHORES: Chores = { always: [], delivering: [] };

export function choresOf(migration: Migration, direction: Direction): Chores {
  const { deps } = migration;
  const retain = retentionOf(deps);
  return {
    always: [
      every(deps, HEALTH_EVERY_MS, () => recordHealth(deps, direction)),
      every(deps, TRACE_EVERY_MS, () => carryOutTraces(migration)),
      every(deps, REDRIVE_EVERY_MS, () => carryOutRedrive(deps, direction)),
      every(deps, RECOVER_EVERY_MS, () => carryOutRecovery(deps, direction)),
      ...(direction === 'forward' ? [every(deps, UNDO_EVERY_MS, () => carryOutUndos(migration))] : []),
    ],
    delivering: [
      every(deps, REPAIR_EVERY_MS, () => workRepairQueue(migration, direction)),
      every(deps, SWEEP_EVERY_MS, () => sweepRetries(deps, direction)),
      every(deps, DOORS_EVERY_MS, () => mendDoors(deps, direction)),
      every(deps, RETENTION_EVERY_MS, async () => {
        await retain();
      }),
      every(deps, MEASURE_EVERY_MS, () => recordSizes(deps)),
    ],
  };
}

/** It is the receiver that is down, or the source: then these cannot run either. */
export async function runWhatStillCan(chores: readonly Chore[]): Promise<void> {
  try {
    for (const chore of chores) await chore();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
  }
}

function every(deps: Deps, intervalMs: number, work: () => Promise<unknown>): () => Promise<void> {
  let next = 0;
  return async () => {
    const began = deps.clock.now().getTime();
    if (began < next) return;
    next = began + intervalMs;
    try {
      await work();
    } catch (error) {
      // A store that is down is the loop's matter; anything else (a table, a queue, a statement that is too long) must not hold up delivery.
      if (error instanceof SqlError && isEverybodys(error)) throw error;
      deps.log.warn('a chore of the relay failed; delivery goes on', { reason: String(error) });
    }
    // A chore that is slow, because the backlog is long, takes a twentieth of delivery's time where it can wait for that.
    const ended = deps.clock.now().getTime();
    next = Math.max(next, ended + Math.min(LONGEST_PAUSE_MS, CHORE_PAUSES * (ended - began)));
  };
}

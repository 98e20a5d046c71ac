/**
 * Who says when the next batch may begin: one for all workers of a call. Keeps to the emergency stop, the pause, the window, the
 * call's time, the rate (tunable while it runs) and what the target says, and writes down why it waits.
 */

import type { ControlDocument } from '../../contracts/documents.ts';
import { type Pace, paceNext } from '../../domain/pacing.ts';
import type { MigratedTable } from '../../domain/table.ts';
import {
  describeThrottle,
  FULL_RATE,
  factorOf,
  type Readings,
  stepThrottle,
  type ThrottleState,
  weighDuration,
} from '../../domain/throttle.ts';
import { isOpen, nextOpening } from '../../plan/plan.ts';
import type { Deps } from '../deps.ts';
import { isDeliveryHeld } from '../relay/delivery-hold.ts';
import {
  BACKFILL_PACE,
  type BackfillControl,
  type BackfillPace,
  type CopyRate,
  rateOf,
  readControl,
  readPace,
  type Stop,
} from './control.ts';
import { createSignalReader, limitsOf } from './read-signals.ts';

const CONTROL_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 5_000;
const SAVE_EVERY_MS = 2_000;
/** Rates are told of so long a time. */
const METER_MS = 30_000;
/** A sleep between batches is at most this long at once, so that a stop takes hold soon. */
const SLICE_MS = 1_000;

/** What the target said longer ago than this says nothing of it now. */
const STALE_MS = 600_000;

export interface Governor {
  /** Resolves when the next batch may begin: null. Otherwise why the call has to end; the same answer from then on. */
  permit(): Promise<Stop | null>;
  /** After each batch; at a reduced rate it gives the target time in proportion to what the batch took. */
  finished(batch: { readonly rows: number; readonly ms: number }): Promise<void>;
  rate(): CopyRate;
  readonly stop: Stop | null;
  readonly control: BackfillControl;
  /** What holds the copy back, in words; null at full rate. */
  describe(): string | null;
  save(): Promise<void>;
}

export async function createGovernor(deps: Deps, tables: readonly MigratedTable[], until: number): Promise<Governor> {
  const { clock, plan, log, documents } = deps;
  const readSignals = createSignalReader(deps, tables);
  const limits = limitsOf(plan);
  const before = await readPace(documents);
  const now = () => clock.now().getTime();
  let control = await readControl(documents);
  let migration: ControlDocument | undefined;
  let controlAt = Number.NEGATIVE_INFINITY;
  const age = before === undefined ? Number.POSITIVE_INFINITY : now() - Date.parse(before.at);
  const isRecent = before !== undefined && age >= 0 && age < STALE_MS;
  let throttle: ThrottleState = isRecent ? before.throttle : FULL_RATE;
  let lookAt = Number.NEGATIVE_INFINITY;
  let statementMs: number | null = null;
  let savedAt = now();
  let stop: Stop | null = null;
  let lastMs = isRecent ? before.lastMs : null;
  let batches: { readonly at: number; readonly rows: number }[] = [];
  const startedAt = now();

  const look = async () => {
    if (now() - lookAt < LOOK_EVERY_MS) return;
    lookAt = now();
    const readings: Readings = { ...(await readSignals()), statement: statementMs ?? 'absent' };
    const next = stepThrottle(throttle, readings, limits, clock.now().toISOString());
    if (next.level !== throttle.level)
      log.info('the copy changes its rate', {
        reason: describeThrottle(next) ?? 'full rate',
        from: factorOf(throttle),
      });
    throttle = next;
  };
  const findStop = async (): Promise<Stop | null> => {
    if (await isDeliveryHeld(deps)) return 'held';
    if (now() - controlAt >= CONTROL_EVERY_MS) {
      controlAt = now();
      control = await readControl(documents);
      migration = (await documents.get('control', 'control'))?.value;
    }
    // The call ends, and the machine itself answers a pause or a halt of the migration before the next one.
    if (migration?.paused !== undefined || migration?.halted !== undefined) return 'time';
    if (control.paused !== undefined) return 'paused';
    if (plan.backfill.offPeak !== undefined && !isOpen(plan.backfill.offPeak, clock.now())) return 'window';
    return now() >= until ? 'time' : null;
  };
  const save = async () => {
    savedAt = now();
    const at = clock.now().toISOString();
    const recent = batches.filter((batch) => batch.at > now() - METER_MS);
    batches = recent;
    const seconds = Math.max(1, Math.min(METER_MS, now() - startedAt)) / 1000;
    const opensAt =
      stop === 'window' && plan.backfill.offPeak !== undefined
        ? nextOpening(plan.backfill.offPeak, clock.now()).toISOString()
        : null;
    const pace: BackfillPace = {
      at,
      rate: rateOf(plan, control),
      throttle,
      rowsPerSecond: recent.reduce((sum, batch) => sum + batch.rows, 0) / seconds,
      batchesPerSecond: recent.length / seconds,
      statementMs,
      stop,
      opensAt,
      lastMs,
    };
    await documents.put('progress', BACKFILL_PACE, { work: BACKFILL_PACE, state: { ...pace }, at }, 'any');
  };
  const wait = async (): Promise<Stop | null> => {
    for (;;) {
      stop ??= await findStop();
      if (stop !== null) return stop;
      await look();
      if (now() - savedAt >= SAVE_EVERY_MS)
        await save().catch((error: unknown) => log.warn('the pace is not saved', { reason: String(error) }));
      const factor = factorOf(throttle);
      if (factor === 0) {
        await clock.sleep(SLICE_MS);
        continue;
      }
      const pace: Pace = { batchesPerSecond: rateOf(plan, control).batchesPerSecond * factor, lastMs };
      const { waitMs, pace: after } = paceNext(pace, now());
      if (waitMs > SLICE_MS) {
        await clock.sleep(SLICE_MS);
        continue;
      }
      // The slot is taken before it is waited for: whoever comes next gets the one after it.
      lastMs = after.lastMs;
      if (waitMs > 0) {
        await clock.sleep(waitMs);
        stop ??= await findStop();
      }
      return stop;
    }
  };
  let turn: Promise<unknown> = Promise.resolve();
  return {
    permit: () => {
      const mine = turn.then(wait);
      turn = mine.catch(() => undefined);
      return mine;
    },
    finished: async ({ rows, ms }) => {
      statementMs = weighDuration(statementMs, ms);
      batches.push({ at: now(), rows });
      const factor = factorOf(throttle);
      // A rate that is not reached anyway would not be slowed down by half of it.
      if (factor > 0 && factor < 1) await clock.sleep(Math.min(LOOK_EVERY_MS, ms * (1 / factor - 1)));
    },
    rate: () => rateOf(plan, control),
    get stop() {
      return stop;
    },
    get control() {
      return control;
    },
    describe: () => describeThrottle(throttle),
    save,
  };
}

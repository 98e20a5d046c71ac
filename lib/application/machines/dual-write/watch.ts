/** Watches the relay over the plan's window: the forward gate of phase 2 (guide: outbox drain rate matches legacy write throughput). */
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import { NO_TENANT } from '../../../domain/table.ts';
import { type StuckRepairRow, stuckRepairs } from '../../../sql/repair/stuck-repairs.ts';
import { type DeliveryRow, deliveryOf } from '../../../sql/tenants/delivery-of.ts';
import type { Deps } from '../../deps.ts';
import { setAsideGate } from '../../gates/set-aside-gate.ts';
import { incidentGate } from '../../incidents/incident-gate.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { again, judged, proceed, type Step, sinceOf } from '../step.ts';

/** Seconds between two looks, and the most looks in a window: each is nine events of the 25 000 of an execution. */
const LOOK_EVERY_SECONDS = 3;
const MOST_LOOKS = 500;
const REPAIRS_SHOWN = 20;
/** A gate that still refuses after this many windows refuses for good. */
const PATIENCE_WINDOWS = 4;

export const watch: Step = async (deps, run, data) => {
  if (run.dryRun) return proceed({ notes: [`would watch for ${deps.plan.dualWrite.drainWindow} ms`] });
  const since = sinceOf(data) ?? deps.clock.now().getTime();
  const elapsed = deps.clock.now().getTime() - since;
  const delivery = await readDelivery(deps, run.scope);
  const gates = await forwardGates(deps, run.scope, delivery);
  const window = deps.plan.dualWrite.drainWindow;
  const passes = gates.every((gate) => gate.pass);
  if (elapsed < window || (!passes && elapsed < PATIENCE_WINDOWS * window)) {
    await ensureRelay(deps, 'forward');
    return again(Math.ceil(Math.max(LOOK_EVERY_SECONDS, window / 1000 / MOST_LOOKS)), {
      data: { since },
      notes: [
        `lag ${delivery.oldestMs} ms, ${delivery.waiting} pending; watched ${Math.round(elapsed / 1000)} s of ${window / 1000} s`,
      ],
    });
  }
  return judged([...gates, await incidentGate(deps, { mended: false })], {
    notes: [`drained ${delivery.drained} of ${delivery.captured} events captured in the window`],
  });
};

async function forwardGates(
  deps: Deps,
  scope: readonly string[],
  delivery: Delivery,
): Promise<readonly GateDecision[]> {
  const now = deps.clock.now();
  const on = new Set((await tenantStates(deps, 'forward')).filter((state) => state.is_on).map((state) => state.tenant));
  const off = scope.filter((tenant) => !on.has(tenant));
  const source = 'crossfade.outbox of legacy, events of the scope';
  return [
    judgeGate(
      {
        gate: 'exposure',
        value: scope.length - off.length,
        threshold: scope.length,
        comparison: 'at least',
        unit: 'tenants',
        source: 'crossfade.tenant_state',
        measuredAt: now,
        details: [`off: ${off.join(', ')}`],
      },
      now,
    ),
    judgeGate(
      {
        gate: 'delivery-lag',
        value: delivery.oldestMs,
        threshold: deps.plan.dualWrite.lagLimit,
        comparison: 'at most',
        unit: 'ms',
        source,
        measuredAt: now,
      },
      now,
    ),
    judgeGate(
      {
        gate: 'drain-rate',
        value: delivery.captured === 0 ? 100 : Math.round((10_000 * delivery.drained) / delivery.captured) / 100,
        threshold: 100,
        comparison: 'at least',
        unit: '% of the events captured in the window',
        source,
        measuredAt: now,
      },
      now,
    ),
    await setAsideGate(deps, 'set-aside', 'forward', withShared(scope)),
    await repairsGate(deps),
  ];
}

/** A repair that does not succeed is a row of the target that is not as legacy has it. */
async function repairsGate(deps: Deps): Promise<GateDecision> {
  const stuck = await deps.databases
    .open('target', 'compare')
    .query<StuckRepairRow>(stuckRepairs(deps.plan.dualWrite.lagLimit, REPAIRS_SHOWN));
  const now = deps.clock.now();
  return judgeGate(
    {
      gate: 'repairs',
      value: stuck.length,
      threshold: 0,
      comparison: 'equals',
      unit: 'rows queued for longer than dualWrite.lagLimit',
      source: 'crossfade.repair_queue of target',
      measuredAt: now,
      details: stuck.map(({ table_name, row_key, reason }) => `${table_name} ${row_key}: ${reason}`),
    },
    now,
  );
}

interface Delivery {
  readonly waiting: number;
  readonly oldestMs: number;
  readonly captured: number;
  readonly drained: number;
}

async function readDelivery(deps: Deps, scope: readonly string[]): Promise<Delivery> {
  const { drainWindow, lagLimit } = deps.plan.dualWrite;
  const [row] = await deps.databases
    .open('legacy', 'relay')
    .query<DeliveryRow>(deliveryOf(withShared(scope), drainWindow, Math.min(lagLimit, drainWindow / 2)));
  if (row === undefined) throw new RangeError('the outbox always answers with one row of counts');
  const { waiting, oldest_ms, captured, drained } = row;
  return { waiting, oldestMs: Math.max(0, Math.round(oldest_ms ?? 0)), captured, drained };
}

/** Rows that tenants share follow the most advanced of them. */
function withShared(scope: readonly string[]): readonly string[] {
  return [...new Set([...scope, NO_TENANT])];
}

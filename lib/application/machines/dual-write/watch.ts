/** Watches the relay over the plan's window: the forward gate of phase 2 (guide: outbox drain rate matches legacy write throughput). */
import { type GateDecision, judgeGate } from '../../../domain/gate.ts';
import type { Deps } from '../../deps.ts';
import { ensureRelay } from '../../relay/ensure-relay.ts';
import { type OutboxHealth, readHealth } from '../../relay/health.ts';
import { tenantStates } from '../../tenants/exposure.ts';
import { again, judged, proceed, type Step, sinceOf } from '../step.ts';

/** Seconds between two looks, and the most looks in a window: each is nine events of the 25 000 of an execution. */
const LOOK_EVERY_SECONDS = 3;
const MOST_LOOKS = 500;
/** A gate that still refuses after this many windows refuses for good. */
const PATIENCE_WINDOWS = 4;

export const watch: Step = async (deps, run, data) => {
  if (run.dryRun) return proceed({ notes: [`would watch for ${deps.plan.dualWrite.drainWindow} ms`] });
  const since = sinceOf(data) ?? deps.clock.now().getTime();
  const elapsed = deps.clock.now().getTime() - since;
  const health = await readHealth(deps, 'forward');
  const gates = await forwardGates(deps, run.scope, health);
  const window = deps.plan.dualWrite.drainWindow;
  const passes = gates.every((gate) => gate.pass);
  if (elapsed < window || (!passes && elapsed < PATIENCE_WINDOWS * window)) {
    await ensureRelay(deps, 'forward');
    return again(Math.ceil(Math.max(LOOK_EVERY_SECONDS, window / 1000 / MOST_LOOKS)), {
      data: { since },
      notes: [
        `lag ${health.oldestMs} ms, ${health.pending} pending; watched ${Math.round(elapsed / 1000)} s of ${window / 1000} s`,
      ],
    });
  }
  return judged(gates, {
    notes: [`delivered ${health.delivered} of ${health.captured} events captured in the window`],
  });
};

async function forwardGates(
  deps: Deps,
  scope: readonly string[],
  health: OutboxHealth,
): Promise<readonly GateDecision[]> {
  const now = deps.clock.now();
  const on = new Set((await tenantStates(deps, 'forward')).filter((state) => state.is_on).map((state) => state.tenant));
  const off = scope.filter((tenant) => !on.has(tenant));
  const measuredAt = new Date(health.at);
  const source = 'crossfade.outbox of legacy';
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
        value: health.oldestMs,
        threshold: deps.plan.dualWrite.lagLimit,
        comparison: 'at most',
        unit: 'ms',
        source,
        measuredAt,
      },
      now,
    ),
    judgeGate(
      {
        gate: 'drain-rate',
        value: health.captured === 0 ? 100 : Math.round((10_000 * health.delivered) / health.captured) / 100,
        threshold: 100,
        comparison: 'at least',
        unit: '% of the events captured in the window',
        source,
        measuredAt,
      },
      now,
    ),
    judgeGate(
      {
        gate: 'set-aside',
        value: health.parked + health.dead,
        threshold: 0,
        comparison: 'equals',
        unit: 'events',
        source,
        measuredAt,
        details: health.setAside.map(
          (event) => `${event.state} ${event.table_name} ${event.row_key} of ${event.tenant}: ${event.reason}`,
        ),
      },
      now,
    ),
  ];
}

/** How long an outbox row that has ended is kept: the plan's time, and never less than what still reads it. */
import type { Plan } from '../../plan/plan.ts';

/**
 * Readers of rows that have ended: the switchover compares the rows touched since its exact pass, the forward gate counts over
 * its window, a cycle looks back over the cycle before it. Milliseconds.
 */
export function outboxKeptMs(plan: Plan): number {
  // Twice the pass: it is judged by when it began, and the fence, the drain and an approval come after it.
  return Math.max(
    plan.retention.outbox,
    2 * plan.switchover.exactPassMaxAge,
    2 * plan.dualWrite.drainWindow,
    // Twice: a window reaches back to the beginning of the cycle before it, which may have been missed.
    2 *
      Math.max(
        plan.reconcile.cycle,
        plan.reconcile.window,
        ...Object.values(plan.tables).map(({ every }) => every ?? 0),
      ),
  );
}

/** Whether every tenant of a run's scope has passed an earlier machine, recently enough where the plan says so. */
import type { Run } from '../../contracts/machine-io.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import type { ForwardMachine } from '../../domain/phase.ts';
import type { Deps } from '../deps.ts';

export async function passedGate(deps: Deps, run: Run, machine: ForwardMachine): Promise<GateDecision> {
  const stored = await deps.documents.get('machine', machine);
  const passed = stored?.value.passed ?? {};
  const missing = run.scope.filter((tenant) => passed[tenant] === undefined);
  const times = run.scope.flatMap((tenant) => passed[tenant] ?? []);
  const oldest = times.toSorted()[0];
  return judgeGate(
    {
      gate: `${machine}-passed`,
      value: run.scope.length - missing.length,
      threshold: run.scope.length,
      comparison: 'at least',
      unit: 'tenants',
      source: `machine document ${machine}`,
      measuredAt: oldest === undefined ? null : new Date(oldest),
      details: [
        `not passed by ${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ` and ${missing.length - 10} more` : ''}; run: npx crossfade start ${machine}`,
      ],
    },
    deps.clock.now(),
  );
}

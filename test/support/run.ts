import type { Deps } from '../../lib/application/deps.ts';
import type { Step } from '../../lib/application/machines/step.ts';
import type { Run, StepResult } from '../../lib/contracts/machine-io.ts';

export function aRun(overrides: Partial<Run> = {}): Run {
  return {
    execution: 'arn:aws:states:us-east-1:000000000000:execution:crossfade-test:run-1',
    machine: 'dual-write',
    plan: 'test',
    scope: ['acme'],
    dryRun: false,
    from: null,
    repair: false,
    mode: null,
    tables: [],
    limit: null,
    requestedBy: 'somebody',
    startedAt: '2026-01-05T12:00:00.000Z',
    ...overrides,
  };
}

/** Runs a step until it no longer answers "again", doing `between` each time. */
export async function runToEnd(
  deps: Deps,
  step: Step,
  run: Run,
  between: () => Promise<void> = async () => {},
): Promise<StepResult> {
  let data: unknown = null;
  for (let round = 0; round < 100; round++) {
    const result = await step(deps, run, data);
    if (!result.again) return result;
    data = result.data;
    await between();
  }
  throw new Error('the step answered "again" a hundred times');
}

/** What a run leaves behind while it goes on: its document, which `status` and `runs` show, and the evidence of its gates. */
import type { RunDocument } from '../../contracts/documents.ts';
import type { Run } from '../../contracts/machine-io.ts';
import type { GateDecision } from '../../domain/gate.ts';
import type { Deps } from '../deps.ts';

export function runId(run: Pick<Run, 'machine' | 'execution'>): string {
  return `${run.machine}#${run.execution.split(':').at(-1)}`;
}

export async function startRunDocument(deps: Deps, run: Run, command: string | undefined): Promise<void> {
  const { execution, machine, scope, dryRun, from, requestedBy, startedAt } = run;
  const document: RunDocument = {
    execution,
    machine,
    scope,
    dryRun,
    from,
    ...(command === undefined ? {} : { command }),
    requestedBy,
    startedAt,
    step: 'begin',
    steps: [],
    gates: [],
    reasons: [],
  };
  await deps.documents.put('run', runId(run), document, 'any');
}

/** A step that answers again and again is noted once, with its latest notes. */
export async function noteStep(
  deps: Deps,
  run: Run,
  step: string,
  notes: readonly string[],
  gates: readonly GateDecision[] = [],
  reasons: readonly string[] = [],
): Promise<void> {
  const stored = await deps.documents.get('run', runId(run));
  if (stored === undefined) return;
  const at = deps.clock.now().toISOString();
  const others = stored.value.steps.filter((known) => known.step !== step);
  const fresh = new Set(gates.map((gate) => gate.gate));
  await deps.documents.put(
    'run',
    stored.id,
    {
      ...stored.value,
      step,
      steps: [...others, { step, at, notes }],
      gates: [...stored.value.gates.filter((gate) => !fresh.has(gate.gate)), ...gates],
      reasons: [...stored.value.reasons, ...reasons],
    },
    'any',
  );
}

export async function recordEvidence(deps: Deps, run: Run, gates: readonly GateDecision[]): Promise<void> {
  const at = deps.clock.now().toISOString();
  for (const gate of gates) {
    await deps.documents.put(
      'evidence',
      `${at}#${gate.gate}#${deps.newId().slice(0, 8)}`,
      {
        kind: 'gate',
        at,
        machine: run.machine,
        execution: run.execution,
        dryRun: run.dryRun,
        planHash: deps.planHash,
        gate,
      },
      'absent',
    );
  }
}

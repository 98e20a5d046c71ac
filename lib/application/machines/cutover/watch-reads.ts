/**
 * Watches the reads that the target answers: any fallback, error or opened breaker ends it at once, and the machine returns the
 * reads; time and a sample of reads have to be gathered before it goes on.
 */
import type { Run, StepResult } from '../../../contracts/machine-io.ts';
import type { GateDecision } from '../../../domain/gate.ts';
import { countsSince, judgeWatch, type WatchStart } from '../../../domain/read-watch.ts';
import { guideValue, limitOf } from '../../../plan/plan.ts';
import type { Deps } from '../../deps.ts';
import { BREAKER_ID } from '../../reads/read-breaker.ts';
import { again, judged, proceed, refuse, type Step } from '../step.ts';
import { notInEffect, startWatch } from './read-weight.ts';
import { canaryPercent } from './start-canary.ts';

/** Reads without a failure that a watch needs: 0 of n shows a rate below 3/n, so 1000 show 0.3 %; a rehearsal has few. */
const MINIMUM_READS = { dev: 10, staging: 1_000, prod: 1_000 } as const;
/** A watch that has its time but not its reads waits as long again, and at least this. */
const GRACE_MS = 60_000;
const SHORTEST_LOOK_MS = 1_000;
const LONGEST_LOOK_MS = 30_000;

export const watchCanary: Step = (deps, run, data) => watch(deps, run, data, 'canary', deps.plan.reads.canaryFor);

export const watchFull: Step = (deps, run, data) => watch(deps, run, data, 'full', deps.plan.reads.soak);

async function watch(deps: Deps, run: Run, data: unknown, name: 'canary' | 'full', forMs: number): Promise<StepResult> {
  if (run.dryRun) return proceed({ notes: [`would watch the reads for ${forMs} ms (${name})`] });
  const returned = await notInEffect(deps, run, name === 'full' ? 100 : canaryPercent(deps));
  if (returned.length > 0) {
    return refuse([`the reads of ${returned.join(', ')} are no longer at their weight: somebody took them back`]);
  }
  const start = readStart(data) ?? (await startWatch(deps));
  const now = deps.clock.now();
  const counts = countsSince(start, await deps.documents.list('reads', { from: start.at.slice(0, 16) }));
  const breaker = await deps.documents.get('breaker', BREAKER_ID);
  const openings = breaker?.value.openings ?? 0;
  const minimumReads = MINIMUM_READS[deps.plan.environment];
  const guide = name === 'full' ? guideOfSoak(deps) : undefined;
  const { harm, proof } = judgeWatch({ name, start, counts, openings, forMs, minimumReads, guide }, now);
  const notes = [
    `${name}: ${counts.target ?? 0} reads by the target, ${counts.legacy ?? 0} by legacy, ${counts.fallbacks ?? 0} fallbacks, ${counts.behind ?? 0} behind, ${counts.errors ?? 0} errors in ${Math.round((now.getTime() - Date.parse(start.at)) / 1000)} s of ${forMs / 1000} s`,
  ];
  const hurt = harm.filter((gate) => !gate.pass);
  if (hurt.length > 0) return refuse(reasonsOf(hurt), { gates: [...harm, ...proof], notes });
  const elapsed = now.getTime() - Date.parse(start.at);
  const isProved = proof.every((gate) => gate.pass);
  if (!isProved && elapsed < forMs + Math.max(forMs, GRACE_MS)) {
    return again(secondsToNextLook(forMs, elapsed), { notes, data: { watch: start } });
  }
  return judged([...harm, ...proof], { notes });
}

function secondsToNextLook(forMs: number, elapsed: number): number {
  const look = Math.min(LONGEST_LOOK_MS, Math.max(SHORTEST_LOOK_MS, forMs / 20));
  const remaining = forMs - elapsed;
  return Math.ceil((remaining > 0 ? Math.min(look, remaining) : look) / 1000);
}

function guideOfSoak({ plan }: Deps): string | undefined {
  const limit = limitOf('reads.soak');
  return limit === undefined ? undefined : String(guideValue(limit, plan.environment));
}

function reasonsOf(gates: readonly GateDecision[]): readonly string[] {
  return gates.flatMap((gate) => gate.reasons);
}

function readStart(data: unknown): WatchStart | undefined {
  // What start-canary, raise-to-full or this step handed on.
  return typeof data === 'object' && data !== null && 'watch' in data ? (data.watch as WatchStart) : undefined;
}

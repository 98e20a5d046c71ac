/** Crossfade's engine over `pg`: comparePass, as the proofs of the machines and a reconciliation from the command line run it. */
import { join } from 'node:path';
import { bundleOf } from '../../bin/bundle.js';
import type { DigestForm } from '../../lib/domain/digest.ts';
import { CROSSFADE_FOLDER, NODE_FOLDER } from '../../lib/local/checkout.ts';
import { runChild } from '../child.ts';
import type { Drained, Variant } from '../measure.ts';
import { checkReport } from './compare-once.ts';
import type { CompareOrder, ProcessReport } from './compare-process.ts';
import type { State } from './states.ts';

export interface EngineRun {
  readonly drained: Drained;
  readonly report: ProcessReport;
}

const LIMIT_MS = 300_000;
/** As bin/crossfade.js starts the command line. */
const CACHE = { NODE_COMPILE_CACHE: join(CROSSFADE_FOLDER, 'compile-cache') };

/** @param note gets what the engine said of each run. */
export function engineVariant(
  state: State,
  form: DigestForm,
  note: (id: string, run: EngineRun) => void,
  rounds?: number,
): Variant {
  const id = `${form}/${state.name}`;
  return {
    id,
    title: `engine, ${form}, ${state.name}`,
    rounds,
    run: async () => {
      const run = await compareInProcess(state, form);
      note(id, run);
      return run.drained;
    },
  };
}

/** MB that V8 may have for what lives and for garbage; with the default it collects when it must, and a longer run looks larger. */
export const SMALL_HEAP = 20;
const SMALL_HEAP_FLAGS = [`--max-old-space-size=${SMALL_HEAP}`, '--max-semi-space-size=1'];

/** Peak resident memory of the fast form in a heap of {@link SMALL_HEAP}, MB. @throws {Error} when that is not enough. */
export async function peakInSmallHeap(state: State): Promise<number> {
  const { report } = await compareInProcess(state, 'fast', SMALL_HEAP_FLAGS);
  return report.maxRssMb;
}

/** @param flags of Node. @throws {Error} unless it found exactly what was planted. */
export async function compareInProcess(
  state: State,
  form: DigestForm,
  flags: readonly string[] = [],
): Promise<EngineRun> {
  const order: CompareOrder = { urls: state.urls, roles: state.roles, form, chunkRows: state.chunkRows };
  const { drained, code, stdout, stderr } = await runChild(
    join(NODE_FOLDER, 'node'),
    [...flags, await bundleOf(join(import.meta.dirname, 'compare-process.ts'))],
    { events: state.rows, env: { ...CACHE, CROSSFADE_BENCH_COMPARE: JSON.stringify(order) }, limitMs: LIMIT_MS },
  );
  if (code !== 0) throw new Error(`the engine's process ended with ${code}: ${reasonIn(stderr)}`);
  // Written by compare-process.ts.
  const report = JSON.parse(stdout) as ProcessReport;
  checkReport(state, report, `the engine (${form}, ${state.name})`);
  return { drained: { ...drained, withinMs: report.ms }, report };
}

function reasonIn(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return lines.findLast((line) => line.includes('Error')) ?? lines.at(-1) ?? '';
}

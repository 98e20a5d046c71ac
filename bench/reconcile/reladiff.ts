/**
 * reladiff 0.6.0 over both databases. Without `--skip-sort-results` it prints a part of the differences and exits 0 when a row
 * that differs holds a NULL; and its exit code never says whether anything differs: what it found is counted.
 */
import { runChild } from '../child.ts';
import type { Variant } from '../measure.ts';
import { ORDER_COLUMNS } from '../orders.ts';
import { checkFound, type State } from './states.ts';

/** The fastest that were found for equal tables, and for scattered differences; and its defaults with four threads. */
export const RELADIFF_SETTINGS = {
  best: ['-j', '4', '--bisection-factor', '10', '--bisection-threshold', '50000'],
  tuned: ['-j', '2', '--bisection-factor', '200', '--bisection-threshold', '5001'],
  default: ['-j', '4'],
  /** As it comes: see above. What it finds is checked like anything else. */
  sorted: ['-j', '4'],
} as const;
export type ReladiffSetting = keyof typeof RELADIFF_SETTINGS;

const LIMIT_MS = 180_000;
/** It wraps JSON at the width of the terminal, in the middle of a string. */
const WIDE = { COLUMNS: '1000000' };

export function reladiffVariant(program: string, state: State, setting: ReladiffSetting, rounds?: number): Variant {
  const { legacy, target } = state.urls;
  const columns = ORDER_COLUMNS.filter((name) => name !== 'id').flatMap((name) => ['-c', name]);
  const order = setting === 'sorted' ? [] : ['--assume-unique-key', '--skip-sort-results'];
  const options = ['--json', ...order, ...RELADIFF_SETTINGS[setting]];
  return {
    id: `reladiff-${setting}/${state.name}`,
    title: `reladiff, ${setting}, ${state.name}`,
    rounds,
    run: async () => {
      const args = [legacy, 'orders', target, 'orders', '-k', 'id', ...columns, ...options];
      const { drained, code, stdout, stderr } = await runChild(program, args, {
        events: state.rows,
        env: WIDE,
        limitMs: LIMIT_MS,
      });
      if (code !== 0) throw new Error(`reladiff ended with ${code}: ${stderr.trim().split('\n').at(-1)}`);
      const { ids, lines } = foundIn(stdout);
      checkFound(state, { ids, what: 'reladiff, which ended with exit code 0,' });
      const { missing, extra, changed } = state.planted;
      const expected = missing.length + extra.length + 2 * changed.length;
      if (lines !== expected) throw new Error(`reladiff printed ${lines} of ${expected} lines`);
      return drained;
    },
  };
}

/** `["-", [key, …]]` for a row of the first table, `["+", …]` of the second: a changed row has both. */
function foundIn(stdout: string): { readonly ids: readonly number[]; readonly lines: number } {
  const lines = stdout.split('\n').filter((line) => line !== '');
  // Its own form of output.
  const rows = lines.map((line) => JSON.parse(line) as readonly [string, readonly [string]]);
  return { ids: [...new Set(rows.map(([, [id]]) => Number(id)))], lines: lines.length };
}

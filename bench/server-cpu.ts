/**
 * CPU time of the run's PostgreSQL servers, from /proc. On a machine that others use, CPU an event is the steadier measure: they take
 * wall time away from it, but hardly change what the work costs.
 */
import { readFileSync } from 'node:fs';
import { processTree } from '../lib/local/processes.ts';

/** Milliseconds; the kernel counts in hundredths of a second wherever Linux runs. */
const TICK_MS = 10;

let roots: readonly number[] = [];

/** @param postmasters of the servers from now on. */
export function watchServers(postmasters: readonly number[]): void {
  roots = postmasters;
}

/** Since they started, their ended sessions included. Undefined without servers, and where there is no /proc. */
export function serverCpuMs(): number | undefined {
  if (roots.length === 0 || process.platform !== 'linux') return undefined;
  return roots.reduce((sum, root) => sum + cpuOf(root, true) + sessionsOf(root), 0);
}

function sessionsOf(root: number): number {
  return processTree(root)
    .filter(({ pid }) => pid !== root)
    .reduce((sum, { pid }) => sum + cpuOf(pid, false), 0);
}

function cpuOf(pid: number, withEnded: boolean): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // Ended since it was listed: its parent has its time now, or will have it at the next look.
    return 0;
  }
  // proc(5): after the name in parentheses, which may hold anything, come state, …, utime, stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return TICK_MS * fields.slice(11, withEnded ? 15 : 13).reduce((sum, ticks) => sum + Number(ticks), 0);
}

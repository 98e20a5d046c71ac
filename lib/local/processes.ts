/**
 * Facts about processes, read from /proc on Linux and from `ps` elsewhere: minimal images have no `ps`.
 * A pid alone is never trusted: the system reuses them, so a process is known by its pid and its start time.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Identity of a process that may outlive the one that started it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque: clock ticks since boot on Linux, a date elsewhere. */
  readonly startedAt: string;
}

interface ProcessFacts extends ProcessIdentity {
  readonly parent: number;
  readonly zombie: boolean;
}

/** The identity of a live process; undefined when there is none (a zombie is not alive). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const facts = process.platform === 'linux' ? readProc(pid) : listProcesses().find((entry) => entry.pid === pid);
  return facts === undefined || facts.zombie ? undefined : { pid, startedAt: facts.startedAt };
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt;
}

/** The process and all that descend from it, ancestors first. */
export function processTree(root: number): readonly ProcessIdentity[] {
  const all = listProcesses().filter((entry) => !entry.zombie);
  const tree = all.filter((entry) => entry.pid === root);
  for (const member of tree) tree.push(...all.filter((entry) => entry.parent === member.pid));
  return tree.map(({ pid, startedAt }) => ({ pid, startedAt }));
}

/** Signals those of `processes` that still run; a process that ended in between is not an error. */
export function signalProcesses(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const identity of processes) {
    if (!isAlive(identity)) continue;
    try {
      process.kill(identity.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Resolves with true when none of `processes` runs any more, with false after `timeoutMs`. */
export async function waitForExit(processes: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (processes.some(isAlive)) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}

/** Ends a whole tree: `signal` to its root, and SIGKILL to whatever is left after `graceMs`. */
export async function endTree(root: ProcessIdentity, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (!isAlive(root)) return;
  const tree = processTree(root.pid);
  signalProcesses(tree, 'SIGCONT');
  signalProcesses([root], signal);
  if (await waitForExit([root], graceMs)) signalProcesses(tree, signal);
  if (await waitForExit(tree, graceMs)) return;
  signalProcesses(tree, 'SIGKILL');
  await waitForExit(tree, graceMs);
}

function listProcesses(): readonly ProcessFacts[] {
  if (process.platform === 'linux') {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.flatMap((pid) => readProc(Number(pid)) ?? []);
  }
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid, parent, state = '', ...start] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), zombie: state.startsWith('Z'), startedAt: start.join(' ') };
  });
}

function readProc(pid: number): ProcessFacts | undefined {
  try {
    // The command in parentheses may hold spaces and parentheses; fields are counted after the last one (proc(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      pid,
      zombie: fields[0] === 'Z' || fields[0] === 'X',
      parent: Number(fields[1]),
      startedAt: fields[19] ?? '',
    };
  } catch {
    return undefined;
  }
}

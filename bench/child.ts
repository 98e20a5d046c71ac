/** Runs a program as a reader of the report would: its whole process is timed, and its CPU is counted. */
import { spawn } from 'node:child_process';
import { type Drained, readAfterSessions, stopwatch } from './measure.ts';

export interface Ended {
  readonly drained: Drained;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly events: number;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** It is ended then. */
  readonly limitMs: number;
}

/** POSIX `times`: user and system time of the shell, then of its ended children, on the channel that the program does not use. */
const SHELL = '"$@" 3>&-; code=$?; times >&3; exit $code';

/** @throws {Error} when the program cannot be started or takes too long. */
export async function runChild(
  command: string,
  args: readonly string[],
  { events, env = {}, limitMs }: ChildOptions,
): Promise<Ended> {
  const read = stopwatch();
  const child = spawn('sh', ['-c', SHELL, 'sh', command, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // A group of its own, so that what it started ends with it.
    detached: true,
  });
  const [, stdout, stderr, times] = child.stdio;
  const texts = Promise.all([stdout, stderr, times].map(textOf));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearTimeout(timer));
  const drained = await readAfterSessions(read, events);
  const [out = '', err = '', time = ''] = await texts;
  if (late) throw new Error(`${command} was ended after ${limitMs / 1000} s`);
  return { drained: { ...drained, nodeCpuMs: cpuOf(time) }, code, stdout: out, stderr: err };
}

async function textOf(stream: unknown): Promise<string> {
  const parts: Buffer[] = [];
  // The three channels above are pipes.
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** `0m1.20s 0m0.10s`, the second line for children. */
function cpuOf(times: string): number | undefined {
  const line = times.trim().split('\n')[1];
  if (line === undefined) return undefined;
  const seconds = [...line.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, rest]) => 60 * Number(minutes) + Number(rest),
  );
  return 1000 * seconds.reduce((sum, part) => sum + part, 0);
}

/**
 * Starts a long-lived service in one of two ways: `attached` ends when this process ends, however it ends (SIGKILL included);
 * `detached` outlives it and is ended later by its identity in the state file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { identifyProcess, type ProcessIdentity } from './processes.ts';

export const LIFETIMES = ['attached', 'detached'] as const;
export type Lifetime = (typeof LIFETIMES)[number];

export interface ServiceCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Receives standard output and standard error. */
  readonly logFile: string;
  readonly folder: string;
  readonly lifetime: Lifetime;
  /** Sent to an attached service when this process is gone. Default TERM. */
  readonly endSignal?: 'TERM' | 'INT' | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

export interface Service {
  /** The process started: the guard of an attached service, the service itself of a detached one. */
  readonly identity: ProcessIdentity;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** Whether it has ended. */
  hasEnded(): boolean;
}

/**
 * A pipe tells the guard that its parent is gone: `read` ends at end of file, and the service gets its end signal, then SIGKILL after 10 s.
 * The service itself gets neither the pipe nor the terminal.
 */
const GUARD = `exec 3<&0
signal=$1; shift
"$@" </dev/null 3<&- &
service=$!
{ read -r _ <&3; kill -$signal $service; for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $service || exit; sleep 1; done; kill -KILL $service; } >/dev/null 2>&1 &
guard=$!
wait $service
code=$?
kill $guard 2>/dev/null
exit $code`;

export function spawnService(service: ServiceCommand): Service {
  const log = openSync(service.logFile, 'a', 0o644);
  const attached = service.lifetime === 'attached';
  const [command, args] = attached
    ? ['/bin/sh', ['-c', GUARD, 'crossfade-guard', service.endSignal ?? 'TERM', service.command, ...service.args]]
    : [service.command, [...service.args]];
  const child = spawn(command, args, {
    cwd: service.folder,
    env: service.environment,
    stdio: [attached ? 'pipe' : 'ignore', log, log],
    // Its own process group: Ctrl-C in the terminal reaches only Crossfade, which then ends its services in order.
    detached: true,
    ...(service.uid === undefined ? {} : { uid: service.uid }),
    ...(service.gid === undefined ? {} : { gid: service.gid }),
  });
  closeSync(log);
  return watch(child, service);
}

function watch(child: ChildProcess, service: ServiceCommand): Service {
  let over = false;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      over = true;
      child.stdin?.destroy();
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
  });
  child.unref();
  // The write end of the pipe must not keep this process alive either.
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  if (child.pid === undefined) throw new Error(`${service.command} could not be started; is it there and executable?`);
  const identity = identifyProcess(child.pid) ?? { pid: child.pid, startedAt: 'ended at once' };
  return { identity, ended, hasEnded: () => over };
}

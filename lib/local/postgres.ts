/**
 * Real PostgreSQL servers for rehearsals and tests: listening on 127.0.0.1 only, password (scram-sha-256) for everybody, no Unix socket.
 * The programs are driven directly, because the demo must be able to stop a server as a crash would.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, isPortTaken } from './ports.ts';
import {
  type Account,
  dataFolderFor,
  findPostgresPrograms,
  type Major,
  type PostgresPrograms,
} from './postgres-programs.ts';
import {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  processTree,
  signalProcesses,
  waitForExit,
} from './processes.ts';
import { type Lifetime, type Service, spawnService } from './spawn-service.ts';

export interface PostgresOptions {
  readonly major: Major;
  /** Emptied first: a server always starts clean. As root the data lies elsewhere, see {@link PostgresServer.dataFolder}. */
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** PostgreSQL settings, e.g. `{ wal_level: 'logical' }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Default true. False only where a crash of the machine may lose everything: tests. */
  readonly fsync?: boolean | undefined;
  /** Default `attached`: it ends with this process. */
  readonly lifetime?: Lifetime | undefined;
}

export interface PostgresServer {
  /** Superuser's URL of the database `postgres`; holds the password. */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  readonly logFile: string;
  /** The postmaster; another one after {@link restart}. */
  identity(): ProcessIdentity;
  /** Ends it in order (sessions are closed). Data stay until the next start in this folder. */
  stop(): Promise<void>;
  /** A mishap: `SIGKILL`, `SIGSTOP` or `SIGCONT` to the postmaster and every backend. */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts it again with the same data, port and settings, after {@link stop} or {@link kill}. */
  restart(): Promise<void>;
}

const DEFAULT_SETTINGS = {
  max_connections: '120',
  wal_level: 'replica',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
};
/** Survives the death of every process, but not of the machine: synchronous_commit stays on, so a killed server has what it acknowledged. */
const UNSAFE_SETTINGS = { fsync: 'off', full_page_writes: 'off' };
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

/** @throws {Error} one line: a taken port, a folder in use, or the last line of the server's log. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const programs = findPostgresPrograms(options.major);
  const folder = dataFolderFor(options.folder);
  const dataFolder = join(folder, 'data');
  const logFile = join(folder, 'server.log');
  if (options.port !== undefined && (await isPortTaken(options.port))) {
    throw new Error(
      `port ${options.port} is taken, so PostgreSQL ${options.major} cannot listen there; stop what uses it or choose another port`,
    );
  }
  clearFolder(folder, dataFolder, programs.account);
  const password = randomBytes(18).toString('base64url');
  await initialise(programs, folder, dataFolder, password);
  const port = options.port ?? (await freePort());
  const launch = () => start(programs, { ...options, port }, folder, dataFolder, logFile);
  let running = await launch();
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    port,
    dataFolder,
    logFile,
    identity: () => running,
    stop: () => stopPostgres(running),
    kill: async (signal) => {
      const processes = processTree(running.pid);
      signalProcesses(processes, signal);
      if (signal === 'SIGKILL') await waitForExit(processes, STOP_TIMEOUT_MS);
    },
    restart: async () => {
      await stopPostgres(running);
      running = await launch();
    },
  };
}

/** Fast shutdown, then immediate, then SIGKILL. Also for a server that another process started. */
export async function stopPostgres(server: ProcessIdentity): Promise<void> {
  const processes = processTree(server.pid);
  if (!isAlive(server)) return;
  signalProcesses(processes, 'SIGCONT');
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    signalProcesses([server], signal);
    if (await waitForExit(processes, STOP_TIMEOUT_MS)) return;
  }
  signalProcesses(processes, 'SIGKILL');
  await waitForExit(processes, STOP_TIMEOUT_MS);
}

/** Removes what a stopped server left. */
export function removePostgresFolder(folder: string): void {
  rmSync(dataFolderFor(folder), { recursive: true, force: true });
}

function clearFolder(folder: string, dataFolder: string, account: Account | undefined): void {
  const postmaster = postmasterOf(dataFolder);
  if (postmaster !== undefined) {
    throw new Error(
      `a PostgreSQL server (pid ${postmaster.pid}) is running in ${dataFolder}; run npm run local -- down, or stop it, and try again`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
}

/** The live server of a data folder. A `postmaster.pid` whose process is gone, or is no PostgreSQL of this folder, is stale. */
function postmasterOf(dataFolder: string): ProcessIdentity | undefined {
  const lines = readLines(join(dataFolder, 'postmaster.pid'));
  const identity = identifyProcess(Number(lines[0] ?? 0));
  if (identity === undefined) return undefined;
  // Another program may have taken the pid over.
  if (process.platform !== 'linux') return identity;
  const command = readLines(`/proc/${identity.pid}/cmdline`).join('\n').split('\0');
  return command.some((word) => word === dataFolder) ? identity : undefined;
}

async function initialise(
  programs: PostgresPrograms,
  folder: string,
  dataFolder: string,
  password: string,
): Promise<void> {
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (programs.account !== undefined) chownSync(passwordFile, programs.account.uid, programs.account.gid);
  const args = [
    '-D',
    dataFolder,
    '-U',
    'postgres',
    '--pwfile',
    passwordFile,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-sync',
  ];
  // A linguistic default collation, as production databases have: ordering by text without COLLATE "C" must fail here too.
  const locale = ['--locale=C', '--locale-provider=icu', '--icu-locale=en-US'];
  try {
    await promisify(execFile)(programs.initdb, [...args, ...locale], {
      cwd: folder,
      env: cleanEnvironment(),
      ...programs.account,
    });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(`initdb failed in ${dataFolder}: ${lastLine(stderr) || message}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

async function start(
  programs: PostgresPrograms,
  options: PostgresOptions & { readonly port: number },
  folder: string,
  dataFolder: string,
  logFile: string,
): Promise<ProcessIdentity> {
  const settings = {
    ...DEFAULT_SETTINGS,
    ...(options.fsync === false ? UNSAFE_SETTINGS : {}),
    ...options.settings,
    port: String(options.port),
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const service = spawnService({
      command: programs.postgres,
      args: ['-D', dataFolder, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      environment: cleanEnvironment(),
      folder,
      logFile,
      lifetime: options.lifetime ?? 'attached',
      // SIGTERM would wait for every client to leave.
      endSignal: 'INT',
      uid: programs.account?.uid,
      gid: programs.account?.gid,
    });
    const postmaster = await untilReady(service, dataFolder, deadline);
    if (postmaster !== undefined) return postmaster;
    const log = existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
    // Backends of a killed postmaster need a moment to notice, and hold its shared memory until then.
    const retry = /shared memory block .* is still in use|lock file "postmaster.pid" already exists/.test(
      log.slice(-2000),
    );
    if (!retry || Date.now() > deadline) {
      throw new Error(`PostgreSQL ${options.major} did not start: ${reasonIn(log)} (log: ${logFile})`);
    }
    writeFileSync(logFile, '');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The server writes `ready` to the eighth line of postmaster.pid. Undefined when it ended instead. */
async function untilReady(
  service: Service,
  dataFolder: string,
  deadline: number,
): Promise<ProcessIdentity | undefined> {
  while (!service.hasEnded() && Date.now() < deadline) {
    const lines = readLines(join(dataFolder, 'postmaster.pid'));
    if (lines[7]?.trim() === 'ready') {
      const postmaster = identifyProcess(Number(lines[0]));
      if (postmaster !== undefined && processTree(service.identity.pid).some(({ pid }) => pid === postmaster.pid))
        return postmaster;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}

/** PG* variables of the caller must not reach the server, and its messages are parsed. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('PG') && !name.startsWith('LC_') && name !== 'LANG',
  );
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function reasonIn(log: string): string {
  const fatal = log.split('\n').findLast((line) => /FATAL|could not bind/.test(line));
  return fatal?.replace(/^.*?(FATAL|LOG):\s*/, '') ?? (lastLine(log) || 'it ended without a message');
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

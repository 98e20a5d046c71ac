/**
 * Installs what the engine is measured beside into caches of the checkout: reladiff by pip into a virtual environment,
 * pg_comparator by apt-get's download, unpacked and not installed. Neither is a dependency of Crossfade, and nothing needs root.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CROSSFADE_FOLDER, PYTHON } from '../../lib/local/checkout.ts';

const REQUIREMENTS = join(import.meta.dirname, '../peers/requirements.txt');
const RELADIFF = join(CROSSFADE_FOLDER, 'bench-reladiff');
const COMPARATOR = join(CROSSFADE_FOLDER, 'bench-pg-comparator');
/** With what it needs beside the base system. */
const PACKAGES = ['postgresql-comparator', 'libdbi-perl', 'libdbd-pg-perl', 'libgetopt-long-descriptive-perl'];
const COMPARATOR_VERSION = '2.3.2';
/** Of the servers: the package has its extension for one major only. */
const MAJOR = 15;
const INSTALL_TIMEOUT_MS = 120_000;
/** Read before a run moves TMPDIR into memory, where libraries may not be loaded from. */
const TEMPORARY = tmpdir();

/** @returns the program. @throws {Error} one line: why it is not there. */
export function installReladiff(progress: (line: string) => void): string {
  const wanted = readFileSync(REQUIREMENTS, 'utf8');
  const known = join(RELADIFF, 'requirements.txt');
  if (!existsSync(known) || readFileSync(known, 'utf8') !== wanted) {
    progress('installing reladiff (some seconds, once)');
    rmSync(RELADIFF, { recursive: true, force: true });
    run(existsSync(PYTHON) ? PYTHON : 'python3', ['-m', 'venv', RELADIFF]);
    run(join(RELADIFF, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--no-deps', '-r', REQUIREMENTS]);
    writeFileSync(known, wanted);
  }
  return join(RELADIFF, 'bin/reladiff');
}

export interface Comparator {
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  /** DDL that creates its functions in a database. Its library is named by path: the server needs no installation of its own. */
  readonly ddl: string;
  remove(): void;
}

/** @throws {Error} one line: why it is not there. */
export function installComparator(progress: (line: string) => void): Comparator {
  const program = join(COMPARATOR, 'usr/bin/pg_comparator');
  if (!existsSync(program)) {
    progress('unpacking pg_comparator (some seconds, once)');
    mkdirSync(COMPARATOR, { recursive: true });
    // Of a Debian with PostgreSQL 15; elsewhere apt-get is missing, or has another version, and the run goes on without it.
    run('apt-get', ['download', ...PACKAGES], COMPARATOR);
    for (const archive of globSync(join(COMPARATOR, '*.deb'))) run('dpkg-deb', ['-x', archive, COMPARATOR]);
  }
  const perl = globSync([join(COMPARATOR, 'usr/share/perl5'), join(COMPARATOR, 'usr/lib/*/perl5/*')]);
  const environment = { PERL5LIB: perl.join(':') };
  const version = execFileSync('perl', [program, '--version'], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (!version.includes(COMPARATOR_VERSION)) throw new Error(`not ${COMPARATOR_VERSION}: ${version.trim()}`);
  const library = join(COMPARATOR, `usr/lib/postgresql/${MAJOR}/lib/pgcmp.so`);
  const [script] = globSync(join(COMPARATOR, `usr/share/postgresql/${MAJOR}/extension/pgcmp--*.sql`));
  if (!existsSync(library) || script === undefined) throw new Error(`its extension for PostgreSQL ${MAJOR} is missing`);
  // The servers run as an account that cannot look into a checkout of root.
  const folder = mkdtempSync(join(TEMPORARY, 'crossfade-bench-pgcmp-'));
  chmodSync(folder, 0o755);
  const reachable = join(folder, 'pgcmp.so');
  copyFileSync(library, reachable);
  chmodSync(reachable, 0o755);
  const ddl = readFileSync(script, 'utf8')
    .replaceAll(/^\\echo.*$/gm, '')
    .replaceAll('MODULE_PATHNAME', reachable);
  return { program, environment, ddl, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function run(command: string, args: readonly string[], cwd?: string): void {
  try {
    execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: Buffer };
    const lines = (stderr?.toString() ?? '').trim().split('\n');
    throw new Error(`${command} ${args[0]} failed: ${lines.findLast((line) => line !== '') ?? message}`);
  }
}

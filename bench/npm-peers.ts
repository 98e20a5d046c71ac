/** Installs the peers, with exact versions, into a cache of the checkout; they are no dependencies of Crossfade. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CROSSFADE_FOLDER } from '../lib/local/checkout.ts';

const MANIFEST = join(import.meta.dirname, 'peers');
const CACHE = join(CROSSFADE_FOLDER, 'bench-peers');
const INSTALL_TIMEOUT_MS = 180_000;

export interface Peers {
  readonly versions: Readonly<Record<string, string>>;
  /** The module; its shape is the caller's claim about the pinned version. */
  load(name: string): Promise<unknown>;
}

/** @throws {Error} one line with npm's reason; the suite then goes on without peers. */
export function installPeers(progress: (line: string) => void): Peers {
  const lock = readFileSync(join(MANIFEST, 'package-lock.json'), 'utf8');
  const known = join(CACHE, 'package-lock.json');
  if (!existsSync(join(CACHE, 'node_modules/.package-lock.json')) || readFileSync(known, 'utf8') !== lock) {
    progress('installing the peers (some seconds, once)');
    mkdirSync(CACHE, { recursive: true });
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(MANIFEST, file), join(CACHE, file));
    const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
    const [program = 'npm', ...args] = [...npm, 'ci', '--no-audit', '--no-fund', '--ignore-scripts'];
    const done = spawnSync(program, args, { cwd: CACHE, encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS });
    if (done.status !== 0) {
      const reason = (done.stderr ?? '').split('\n').find((line) => /npm (error|ERR!)/.test(line));
      throw new Error(`npm ci failed in ${CACHE}: ${reason ?? done.error?.message ?? 'no message'}`);
    }
  }
  // The manifest is ours.
  const { dependencies } = JSON.parse(readFileSync(join(MANIFEST, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const require = createRequire(join(CACHE, 'package.json'));
  return { versions: dependencies, load: (name) => import(pathToFileURL(require.resolve(name)).href) };
}

/**
 * A command in few files: hundreds of modules take longer to find and link than most commands take to run. Plain JavaScript for
 * Node 20, like the launcher that asks for it.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHECKOUT = dirname(dirname(fileURLToPath(import.meta.url)));
/** What a bundle is made of; the benchmark measures one too. Packages are as the lock file has them. */
const FOLDERS = ['bin', 'lib', 'bench'];
const LOCK = 'package-lock.json';
/** Some packages are CommonJS and ask for others while they run. */
const BANNER = `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`;
/** A process that began with an older bundle may read another of its files. */
const KEEP_MS = 86_400_000;

/**
 * @param {string} entry path of a TypeScript file.
 * @param {string} [checkout] where its sources are.
 * @returns {Promise<string>} its bundle, made anew when a source has changed; or `entry` itself, which runs as well, where none can
 * be made: without esbuild, in a folder that cannot be written, or of sources with a mistake, which is better told by Node.
 */
export async function bundleOf(entry, checkout = CHECKOUT) {
  const state = stateOfSources(checkout);
  if (state === undefined) return entry;
  const name = basename(entry, '.ts');
  const all = join(checkout, '.crossfade/bundles', name);
  const folder = join(all, state);
  const bundle = join(folder, `${name}.js`);
  if (existsSync(bundle)) return bundle;
  const draft = `${folder}.${process.pid}`;
  try {
    mkdirSync(all, { recursive: true });
    removeOld(all);
    await build(entry, draft);
    renameSync(draft, folder);
  } catch {
    rmSync(draft, { recursive: true, force: true });
  }
  // Somebody else may have made it meanwhile.
  return existsSync(bundle) ? bundle : entry;
}

/**
 * Names, sizes and times of all sources: a bundle of yesterday's code is never run. Undefined where one cannot be looked at.
 * @param {string} checkout
 */
function stateOfSources(checkout) {
  try {
    return hashSources(checkout);
  } catch {
    return undefined;
  }
}

/** @param {string} checkout */
function hashSources(checkout) {
  const hash = createHash('sha256');
  const add = (/** @type {string} */ path) => {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path} ${mtimeMs} ${size}\n`);
  };
  add(join(checkout, LOCK));
  for (const folder of FOLDERS)
    for (const found of readdirSync(join(checkout, folder), { recursive: true, withFileTypes: true }))
      if (found.isFile()) add(join(found.parentPath ?? found.path, found.name));
  return hash.digest('hex').slice(0, 16);
}

/**
 * @param {string} entry
 * @param {string} outdir
 */
async function build(entry, outdir) {
  const { build: bundle } = await import('esbuild');
  await bundle({
    entryPoints: [entry],
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    banner: { js: BANNER },
    logLevel: 'silent',
  });
}

/** @param {string} all */
function removeOld(all) {
  for (const name of readdirSync(all)) {
    const path = join(all, name);
    if (Date.now() - statSync(path).mtimeMs > KEEP_MS) rmSync(path, { recursive: true, force: true });
  }
}

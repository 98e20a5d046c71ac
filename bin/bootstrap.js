#!/usr/bin/env node
/**
 * The first thing that runs on a fresh clone, so it is plain JavaScript for Node 20 without dependencies: it installs what is
 * missing (npm packages, the emulator's virtual environment) and hands over to Node 24, which runs the TypeScript.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHECKOUT = dirname(dirname(fileURLToPath(import.meta.url)));
const CROSSFADE = join(CHECKOUT, '.crossfade');
const MODULES = join(CHECKOUT, 'node_modules');
const NODE_24 = join(MODULES, 'node/bin/node');
const VENV = join(CROSSFADE, 'venv');
const LOCK = join(CROSSFADE, 'bootstrap.lock');

const TYPES = ['node_modules/typescript/bin/tsc', '--noEmit'];
const STYLE = ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'];
const TESTS = ['node_modules/vitest/vitest.mjs', 'run'];

/**
 * Each command: the programs that Node 24 runs one after the other, given the words after the command.
 * `emulator`: whether it may start one and so needs Python.
 */
const COMMANDS = {
  demo: { emulator: true, steps: (args) => [['bin/demo.ts', ...args]] },
  local: { emulator: true, steps: (args) => [['bin/local.ts', ...args]] },
  bench: { emulator: true, steps: (args) => [['bench/main.ts', ...args]] },
  // Somebody who names a test file wants that file, not the checks before it.
  test: { emulator: true, steps: (args) => (args.length > 0 ? [[...TESTS, ...args]] : [TYPES, STYLE, TESTS]) },
  'test:long': { emulator: true, steps: (args) => [[...TESTS, ...args]], environment: { CROSSFADE_TEST_LONG: '1' } },
  check: { emulator: false, steps: () => [TYPES, STYLE, [...TESTS, 'test/architecture']] },
  cdk: { emulator: false, steps: (args) => [['node_modules/aws-cdk/bin/cdk', ...args]] },
};

const OLDEST_NODE = 20;
const OLDEST_PYTHON = [3, 10];

/** A failure that its message explains; no stack trace is shown. */
class Refusal extends Error {}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(`crossfade: ${error.message}`);
  process.exitCode = 1;
}

async function main([name, ...args]) {
  const command = COMMANDS[name];
  if (command === undefined) {
    console.error(`crossfade: unknown command ${name ?? '(none)'}; known are ${Object.keys(COMMANDS).join(', ')}`);
    return 2;
  }
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST_NODE)
    throw new Refusal(
      `Node ${OLDEST_NODE} or newer is needed, this is ${process.version}; install it from https://nodejs.org`,
    );
  const python = command.emulator ? findPython() : undefined;
  await install(python);
  for (const step of command.steps(args)) {
    const code = await run(step, command.environment ?? {});
    if (code !== 0) return code;
  }
  return 0;
}

// --- What is missing -------------------------------------------------------------------------------------------------

async function install(python) {
  const isComplete = () => modulesMatch() && (python === undefined || venvMatches(python));
  if (isComplete()) return;
  mkdirSync(CROSSFADE, { recursive: true });
  const unlock = await lock();
  try {
    if (!modulesMatch()) await installModules();
    if (python !== undefined && !venvMatches(python)) await installVenv(python);
  } finally {
    unlock();
  }
}

/** Whether node_modules holds what package-lock.json says; npm keeps its own list of what it installed. */
function modulesMatch() {
  const wanted = readPackages(join(CHECKOUT, 'package-lock.json'));
  const installed = readPackages(join(MODULES, '.package-lock.json'));
  if (wanted === undefined || installed === undefined || !existsSync(NODE_24)) return false;
  // Optional packages of other platforms are absent.
  const missing = Object.entries(wanted).some(
    ([path, entry]) =>
      path !== '' && !entry.optional && !entry.devOptional && installed[path]?.version !== entry.version,
  );
  return !missing && Object.entries(installed).every(([path, { version }]) => wanted[path]?.version === version);
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function installModules() {
  console.error('crossfade: installing npm packages (about a minute, once)');
  // npm says where its own program lies when it runs a script.
  const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  await quietly([...npm, 'ci', '--no-audit', '--no-fund'], 'npm-ci.log', 'npm ci failed');
  if (!existsSync(NODE_24))
    throw new Refusal('npm did not run the install script of the package "node"; run npm rebuild node, and try again');
}

function venvMatches(python) {
  try {
    return readFileSync(join(VENV, 'crossfade-stamp'), 'utf8') === stampOf(python);
  } catch {
    return false;
  }
}

async function installVenv(python) {
  console.error('crossfade: installing the AWS emulator (some seconds, once)');
  rmSync(VENV, { recursive: true, force: true });
  await quietly([python.program, '-m', 'venv', VENV], 'venv.log', `${python.program} -m venv failed`);
  const pip = [
    join(VENV, 'bin/python'),
    '-m',
    'pip',
    'install',
    '--no-input',
    '--disable-pip-version-check',
    '-r',
    join(CHECKOUT, 'requirements.txt'),
  ];
  await quietly(pip, 'pip.log', 'pip install failed');
  writeFileSync(join(VENV, 'crossfade-stamp'), stampOf(python));
}

/** Changes with the requirements, the Python and the place: a virtual environment holds absolute paths. */
function stampOf(python) {
  return createHash('sha256')
    .update(`${readFileSync(join(CHECKOUT, 'requirements.txt'), 'utf8')}\n${python.version}\n${VENV}`)
    .digest('hex');
}

function findPython() {
  const wished = process.env.CROSSFADE_PYTHON;
  const names = wished
    ? [wished]
    : ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
  const probe = 'import sys; print("%d.%d.%d" % sys.version_info[:3]); import ensurepip, venv';
  let found;
  for (const program of names) {
    const { status, stdout, error } = spawnSync(program, ['-c', probe], { encoding: 'utf8' });
    const version = stdout?.trim() ?? '';
    if (error !== undefined || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    const [major, minor] = version.split('.').map(Number);
    const isNewEnough = major > OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]);
    if (isNewEnough && status === 0) return { program, version };
    if (found === undefined || (isNewEnough && !found.isNewEnough)) found = { program, version, isNewEnough };
  }
  if (found === undefined)
    throw new Refusal(
      `Python ${OLDEST_PYTHON.join('.')} or newer is needed for the AWS emulator, and ${names[0]} is not there; install it, or set CROSSFADE_PYTHON to its program`,
    );
  if (found.isNewEnough)
    throw new Refusal(
      `${found.program} ${found.version} lacks its modules venv and ensurepip; install them (Debian and Ubuntu: apt install python3-venv)`,
    );
  throw new Refusal(
    `Python ${OLDEST_PYTHON.join('.')} or newer is needed for the AWS emulator, ${found.program} is ${found.version}; install a newer one, or set CROSSFADE_PYTHON to its program`,
  );
}

/** Two at once on a fresh clone: the second waits until the first has installed. A lock whose process is gone is taken over. */
async function lock() {
  let told = false;
  for (;;) {
    try {
      mkdirSync(LOCK);
      writeFileSync(join(LOCK, 'pid'), String(process.pid));
      const unlock = () => rmSync(LOCK, { recursive: true, force: true });
      process.once('exit', unlock);
      return () => {
        process.off('exit', unlock);
        unlock();
      };
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned()) rmSync(LOCK, { recursive: true, force: true });
    else if (!told) {
      console.error('crossfade: waiting for another command that installs');
      told = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function isAbandoned() {
  try {
    const pid = Number(readFileSync(join(LOCK, 'pid'), 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    // Made, but its pid not yet written: that takes less than this.
    return pid === 0 && Date.now() - statSync(LOCK).mtimeMs > 5_000;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    if (error.code !== 'ENOENT') return false;
    return existsSync(LOCK) && Date.now() - statSync(LOCK).mtimeMs > 5_000;
  }
}

// --- Programs --------------------------------------------------------------------------------------------------------

/** Output goes to a file, whose last line explains a failure. */
async function quietly([program, ...args], logName, failure) {
  const logFile = join(CROSSFADE, logName);
  const log = openSync(logFile, 'w');
  const code = await end(spawn(program, args, { cwd: CHECKOUT, stdio: ['ignore', log, log] }));
  closeSync(log);
  if (code > 128) process.exit(code);
  if (code !== 0) {
    const lines = readFileSync(logFile, 'utf8').trim().split('\n');
    const reason =
      lines.find((line) => /error\W+\S/i.test(line) && !/^npm (warn|error code)/.test(line)) ?? lines.at(-1);
    throw new Refusal(`${failure}: ${reason} (all of it: ${logFile})`);
  }
}

function run(args, environment) {
  const path = [dirname(NODE_24), process.env.PATH].join(delimiter);
  // Commands are started where the caller stands, so that relative names of plans mean what they say.
  const [program, ...rest] = args;
  const inCheckout = program.startsWith('node_modules/');
  return end(
    spawn(NODE_24, [join(CHECKOUT, program), ...rest], {
      cwd: inCheckout ? CHECKOUT : (process.env.INIT_CWD ?? process.cwd()),
      stdio: 'inherit',
      env: { ...process.env, PATH: path, ...environment },
    }),
  );
}

/** Resolves with the exit code. Signals are passed on, and this process stays until the child has ended what it started. */
function end(child) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const handlers = signals.map((signal) => [signal, () => child.kill(signal)]);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Refusal(`${child.spawnfile} could not be started: ${error.message}`)));
    child.once('exit', (code, signal) => {
      for (const [name, handler] of handlers) process.off(name, handler);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

#!/usr/bin/env node
/** Launcher of `npx crossfade …`: plain JavaScript for Node 20 that runs the CLI on Node 24, which reads TypeScript. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleOf } from './bundle.js';

const CHECKOUT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_24 = join(CHECKOUT, 'node_modules/node/bin/node');

if (!existsSync(NODE_24)) {
  console.error(
    'crossfade: its packages are not installed; run npm ci (or npm run local -- up) in the folder of Crossfade',
  );
  process.exit(1);
}
const child = spawn(NODE_24, [await bundleOf(join(CHECKOUT, 'bin/cli.ts')), ...process.argv.slice(2)], {
  stdio: 'inherit',
  // Code is compiled once, not at every start.
  env: { NODE_COMPILE_CACHE: join(CHECKOUT, '.crossfade/compile-cache'), ...process.env },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.once('error', (error) => {
  console.error(`crossfade: Node 24 could not be started: ${error.message}`);
  process.exit(1);
});
child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

/** The operator's CLI: see docs/cli.md. Run by bin/crossfade.js on Node 24. */
import { readFile, writeFile } from 'node:fs/promises';
import { systemClock } from '../lib/adapters/system-clock.ts';
import { connect } from '../lib/cli/connect.ts';
import { main } from '../lib/cli/main.ts';
import { openTerminal } from '../lib/cli/terminal.ts';

// `crossfade status | head` closes the pipe: that is an end, not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const terminal = openTerminal();
const world = {
  terminal,
  clock: systemClock,
  environment: process.env,
  readFile: (path: string) => readFile(path, 'utf8'),
  writeFile: (path: string, text: string) => writeFile(path, text),
};

process.exitCode = await main(process.argv.slice(2), {
  ...world,
  interrupted: () => {
    const controller = new AbortController();
    // Once: a second Ctrl-C ends the process at once.
    process.once('SIGINT', () => controller.abort());
    return controller.signal;
  },
  connect: (options) => connect({ ...world, options }),
});

/** `npm run demo [-- --seed N]`: started by bin/bootstrap.js on Node 24. */
import { parseArgs } from 'node:util';
import { runDemo } from '../lib/demo/run-demo.ts';

const DEFAULT_SEED = 20_260_105;
const WRONG_USAGE = 2;

const seed = readSeed();
if (seed === undefined) {
  console.error('usage: npm run demo [-- --seed <whole number>]');
  process.exit(WRONG_USAGE);
}
const code = await runDemo({
  seed,
  output: {
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY === true && process.env.TERM !== 'dumb' && process.env.CI === undefined,
    columns: () => process.stdout.columns ?? 100,
  },
});
// Idle connections of SDK clients must not hold the process.
process.exit(code);

function readSeed(): number | undefined {
  try {
    const { values } = parseArgs({ options: { seed: { type: 'string' } } });
    if (values.seed === undefined) return DEFAULT_SEED;
    return /^\d{1,9}$/.test(values.seed) ? Number(values.seed) : undefined;
  } catch {
    return undefined;
  }
}

/** `npm run demo [-- --seed N] [--rate N]`: started by bin/bootstrap.js on Node 24. */
import { parseArgs } from 'node:util';
import { runDemo } from '../lib/demo/run-demo.ts';

const DEFAULT_SEED = 20_260_105;
const WRONG_USAGE = 2;

const options = readOptions();
if (options === undefined) {
  console.error('usage: npm run demo [-- [--seed <whole number>] [--rate <transactions of the shop a second>]]');
  process.exit(WRONG_USAGE);
}
const code = await runDemo({
  ...options,
  output: {
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY === true && process.env.TERM !== 'dumb' && process.env.CI === undefined,
    columns: () => process.stdout.columns ?? 100,
  },
});
// Idle connections of SDK clients must not hold the process.
process.exit(code);

function readOptions(): { readonly seed: number; readonly rate: number | undefined } | undefined {
  try {
    const { values } = parseArgs({ options: { seed: { type: 'string' }, rate: { type: 'string' } } });
    const { seed = String(DEFAULT_SEED), rate } = values;
    if (!/^\d{1,9}$/.test(seed) || (rate !== undefined && !/^[1-9]\d{0,3}$/.test(rate))) return undefined;
    return { seed: Number(seed), rate: rate === undefined ? undefined : Number(rate) };
  } catch {
    return undefined;
  }
}

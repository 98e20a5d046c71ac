/** `npm run bench -- relay [--quick] [--json] [--only PARTS] [--events N] [--rounds N]`: progress on standard error, the report on standard output. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { renderReport } from './relay/report.ts';
import type { RelayResult } from './relay/result.ts';
import { PARTS, type Part, type RelayOptions, runRelaySuite } from './relay/suite.ts';

const USAGE = `usage: npm run bench -- relay [--quick] [--json] [--only ${PARTS.join(',')}] [--events <even number>] [--rounds <number>]`;
const FAILED = 1;
const WRONG_USAGE = 2;
const RESULTS = join(import.meta.dirname, 'results');

// Idle connections of the peers' pools must not hold the process.
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const parsed = parse(args);
  if (parsed === undefined) {
    console.error(USAGE);
    return WRONG_USAGE;
  }
  try {
    const result = await runRelaySuite(parsed.options);
    const file = keep(result);
    process.stdout.write(parsed.json ? `${JSON.stringify(result, null, 2)}\n` : renderReport(result));
    console.error(`all of it: ${relative(process.cwd(), file)}`);
    return 0;
  } catch (error) {
    console.error(`crossfade: ${error instanceof Error ? error.message : String(error)}`);
    return FAILED;
  }
}

/** A run of the same day takes the place of the one before it. */
function keep(result: RelayResult): string {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${result.at.slice(0, 10)}-${result.suite}${result.quick ? '-quick' : ''}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

function parse(args: readonly string[]): { readonly json: boolean; readonly options: RelayOptions } | undefined {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string', default: PARTS.join(',') },
        events: { type: 'string' },
        rounds: { type: 'string' },
      },
    });
    const names = values.only.split(',');
    const parts = names.filter((name): name is Part => PARTS.some((part) => part === name));
    const numbers = [values.events, values.rounds].filter((text) => text !== undefined);
    const isUsable =
      positionals.length === 1 &&
      positionals[0] === 'relay' &&
      parts.length === names.length &&
      numbers.every((text) => /^[1-9]\d{0,6}$/.test(text));
    if (!isUsable) return undefined;
    const progress = (line: string) => console.error(`  ${line}`);
    const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text));
    return {
      json: values.json,
      options: {
        quick: values.quick,
        parts,
        progress,
        events: numberOf(values.events),
        rounds: numberOf(values.rounds),
      },
    };
  } catch {
    return undefined;
  }
}

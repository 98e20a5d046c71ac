/** `npm run bench -- <suite> [options]`: progress on standard error, the report on standard output, all of it in bench/results. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { reconcileSuite } from './reconcile/suite.ts';
import { relaySuite } from './relay/suite.ts';
import type { Suite, SuiteOptions, SuiteResult } from './suite.ts';
import { renderUsage, SIZES, type SuiteName } from './usage.ts';

const SUITES = { relay: relaySuite, reconcile: reconcileSuite } as const satisfies Record<SuiteName, Suite>;
const FAILED = 1;
const WRONG_USAGE = 2;
const RESULTS = join(import.meta.dirname, 'results');

// Idle connections of the peers' pools must not hold the process.
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(renderUsage(SUITES));
    return 0;
  }
  const parsed = parse(args);
  if (parsed === undefined) {
    console.error(renderUsage(SUITES));
    return WRONG_USAGE;
  }
  try {
    const { result, render } = await parsed.suite.run(parsed.options);
    const file = keep(result, parsed.isPart);
    process.stdout.write(parsed.json ? `${JSON.stringify(result, null, 2)}\n` : render());
    console.error(`all of it: ${relative(process.cwd(), file)}`);
    return 0;
  } catch (error) {
    console.error(`crossfade: ${error instanceof Error ? error.message : String(error)}`);
    return FAILED;
  }
}

/** A run of the same day takes the place of the one before it; one of some parts, or of another size, leaves the whole one's alone. */
function keep(result: SuiteResult, isPart: boolean): string {
  mkdirSync(RESULTS, { recursive: true });
  const kind = `${result.quick ? '-quick' : ''}${isPart ? '-part' : ''}`;
  const file = join(RESULTS, `${result.at.slice(0, 10)}-${result.suite}${kind}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

interface Parsed {
  readonly suite: Suite;
  readonly json: boolean;
  readonly isPart: boolean;
  readonly options: SuiteOptions;
}

function parse(args: readonly string[]): Parsed | undefined {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string' },
        events: { type: 'string' },
        rows: { type: 'string' },
        rounds: { type: 'string' },
      },
    });
    const [name] = positionals;
    if (positionals.length !== 1 || (name !== 'relay' && name !== 'reconcile')) return undefined;
    const suite: Suite = SUITES[name];
    const parts = values.only?.split(',') ?? suite.parts;
    const foreign = SIZES[name] === 'events' ? values.rows : values.events;
    const size = values[SIZES[name]];
    const numbers = [size, values.rounds].filter((text) => text !== undefined);
    const isUsable =
      foreign === undefined &&
      parts.every((part) => suite.parts.includes(part)) &&
      numbers.every((text) => /^[1-9]\d{0,7}$/.test(text));
    if (!isUsable) return undefined;
    const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text));
    return {
      suite,
      json: values.json,
      isPart: [values.only, size, values.rounds].some((text) => text !== undefined),
      options: {
        quick: values.quick,
        parts,
        progress: (line) => console.error(`  ${line}`),
        size: numberOf(size),
        rounds: numberOf(values.rounds),
      },
    };
  } catch {
    return undefined;
  }
}

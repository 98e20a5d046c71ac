/** Judges one line of a shell block: whether it would run as it is written. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../../lib/cli/commands/all.ts';
import { buildProgram } from '../../lib/cli/program.ts';
import { CHECKOUT } from './markdown.ts';

const SCRIPTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(CHECKOUT, 'package.json'), 'utf8'),
).scripts;
const LOCAL_USAGE = readFileSync(join(CHECKOUT, 'bin/local.ts'), 'utf8');
const BENCH_USAGE = readFileSync(join(CHECKOUT, 'bench/usage.ts'), 'utf8');
/** Of the CDK CLI, as far as the documents use it. */
const CDK_COMMANDS = ['bootstrap', 'synth', 'diff', 'deploy', 'destroy', 'list'];
/** What a reader's shell has anyway. */
const SHELL = ['cd', 'git', 'export', '.'];
/** Of an administrator's machine; only in blocks that say so. */
const ADMINISTRATION = ['aws', 'psql'];

/** @returns what is wrong with the line, or undefined. */
export async function faultOf(line: string, awsOnly: boolean): Promise<string | undefined> {
  const [program = '', ...args] = wordsOf(line);
  if (SHELL.includes(program)) return undefined;
  if (program === 'npm') return faultOfNpm(args, awsOnly);
  if (program === 'npx' && args[0] === 'crossfade') return faultOfCrossfade(args.slice(1));
  if (program === 'crossfade') return faultOfCrossfade(args);
  if (ADMINISTRATION.includes(program)) return awsOnly ? undefined : `${program} is for blocks marked aws-only`;
  return `${program} is no command that a reader has`;
}

/** What a shell hands over: up to a pipe, a comment or a redirection, without quotes and leading variables. */
function wordsOf(line: string): string[] {
  const command = line.split(/ (?:[|>]|#) /)[0] ?? '';
  const words = [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
  return words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word)));
}

function faultOfNpm([verb, ...args]: readonly string[], awsOnly: boolean): string | undefined {
  if (verb === 'ci') return undefined;
  const [script = '', ...rest] = verb === 'run' ? args : [verb ?? '', ...args];
  if (verb !== 'run' && verb !== 'test') return `npm ${verb} is not used here`;
  if (SCRIPTS[script] === undefined) return `package.json has no script ${script}`;
  const given = rest[0] === '--' ? rest.slice(1) : rest;
  if (rest.length > 0 && rest[0] !== '--') return `npm keeps ${rest[0]} for itself; put -- before it`;
  if (script === 'local') return faultOfLocal(given);
  if (script === 'bench') return faultOfBench(given);
  if (script === 'cdk') return faultOfCdk(given, awsOnly);
  return undefined;
}

function faultOfLocal([command = '', ...options]: readonly string[]): string | undefined {
  if (!['up', 'status', 'down'].includes(command)) return `npm run local has no command ${command}`;
  const unknown = options.find((word) => word.startsWith('--') && !LOCAL_USAGE.includes(`[${word}`));
  return unknown === undefined ? undefined : `npm run local has no option ${unknown}`;
}

function faultOfBench([suite = '', ...options]: readonly string[]): string | undefined {
  if (suite === '--help') return undefined;
  if (!['relay', 'reconcile'].includes(suite)) return `npm run bench has no suite ${suite}`;
  const unknown = options.find((word) => word.startsWith('--') && !new RegExp(`[' ]${word}[' ]`).test(BENCH_USAGE));
  return unknown === undefined ? undefined : `npm run bench has no option ${unknown}`;
}

function faultOfCdk([command = '']: readonly string[], awsOnly: boolean): string | undefined {
  if (!CDK_COMMANDS.includes(command)) return `cdk has no command ${command}`;
  return awsOnly || command === 'synth' ? undefined : `cdk ${command} needs an account: mark the block aws-only`;
}

async function faultOfCrossfade(args: readonly string[]): Promise<string | undefined> {
  let parsed: string | undefined;
  const program = buildProgram(async ({ name }) => {
    parsed = name;
  });
  for (const each of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)])
    each.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return COMMANDS.some(({ name }) => name === parsed) ? undefined : `crossfade ${args.join(' ')} runs no command`;
}

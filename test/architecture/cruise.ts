/** Runs dependency-cruiser with the project's rules over a tree of the project's shape. */
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

export const CHECKOUT = join(import.meta.dirname, '../..');
export const RULES_FILE = join(CHECKOUT, '.dependency-cruiser.cjs');
const PROGRAM = join(CHECKOUT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const ROOTS = ['bin', 'lib', 'lambdas'];

export interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
}

/** What is read of the program's JSON. */
interface CruiseResult {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly violations: readonly {
      readonly rule: { readonly name: string };
      readonly from: string;
      readonly to: string;
    }[];
  };
}

/**
 * @param tree folder that holds bin, lib and lambdas.
 * @throws {Error} when a source file was not read: the program answers "no violations" for what it cannot parse.
 */
export async function cruise(tree: string): Promise<readonly Violation[]> {
  const sources = globSync(
    ROOTS.map((root) => `${root}/**/*.ts`),
    { cwd: tree },
  );
  if (sources.length === 0) throw new Error(`${tree}: no TypeScript under ${ROOTS.join(', ')}; nothing was checked`);
  const roots = ROOTS.filter((root) => existsSync(join(tree, root)));
  const { stdout, stderr } = await execa(
    process.execPath,
    [PROGRAM, '--config', RULES_FILE, '--output-type', 'json', ...roots],
    // The exit code is the number of violations.
    { cwd: tree, reject: false },
  );
  const { modules, summary } = parse(stdout, stderr);
  const read = new Set(modules.map(({ source }) => source));
  const unread = sources.filter((source) => !read.has(source));
  if (unread.length > 0)
    throw new Error(
      `${unread.length} of ${sources.length} files were not read, such as ${unread[0]}; is @swc/core there?`,
    );
  return summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to }));
}

function parse(stdout: string, stderr: string): CruiseResult {
  try {
    return JSON.parse(stdout) as CruiseResult; // the reporter's own format
  } catch (cause) {
    throw new Error(`dependency-cruiser gave no JSON: ${stderr || stdout}`, { cause });
  }
}

/**
 * The code of all functions as one asset: every handler bundled in one esbuild run, with what they share in chunks of their own,
 * and the plan beside them. One run and one upload instead of seventeen; each function still loads only what it imports.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stack } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { buildSync } from 'esbuild';
import type { Plan } from '../../plan/plan.ts';

export interface CodeBundleProps {
  /** Folder with `<name>/handler.ts`. */
  readonly handlers: string;
  readonly names: readonly string[];
  /** Written as `plan.json` beside the bundles. @default - none */
  readonly plan?: Plan | undefined;
}

/** CommonJS dependencies (pg, parts of the AWS SDK) call `require`, which ES modules do not have. */
const REQUIRE_BANNER =
  "import{createRequire as crossfadeRequire}from'node:module';const require=crossfadeRequire(import.meta.url);";

/** Built once for an app and folder: synth may ask from two stacks. */
export function bundleCode(scope: Construct, { handlers, names, plan }: CodeBundleProps): Code {
  // `cdk list` and tests with the context `aws:cdk:bundling-stacks: []` need no code.
  if (!Stack.of(scope).bundlingRequired) return Code.fromInline('export {};');
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-code-'));
  buildSync({
    entryPoints: names.map((name) => ({ in: join(handlers, name, 'handler.ts'), out: name })),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    // Names of errors reach Step Functions as `Error`, and logs.
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    banner: { js: REQUIRE_BANNER },
    // Optional native driver of pg, which it looks for and does without.
    external: ['pg-native'],
    logLevel: 'warning',
  });
  if (plan !== undefined) writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
  const code = Code.fromAsset(folder);
  // Staged at once into cdk.out by the first function that binds it; the temporary folder is needed until then.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return code;
}

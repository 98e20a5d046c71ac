/** Guards the guard: a rule that no longer matches anything would pass for ever. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CHECKOUT, cruise, RULES_FILE, type Violation } from './cruise.ts';

/** For each rule: files to add to a copy of the tree. The first is the one that must be reported. */
const PLANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'no-cycles': {
    'lib/domain/planted-a.ts': "import type { B } from './planted-b.ts';\nexport type A = B | 1;",
    'lib/domain/planted-b.ts': "import type { A } from './planted-a.ts';\nexport type B = A | 2;",
  },
  'domain-is-pure': { 'lib/domain/planted-file.ts': "import 'node:fs';" },
  'contracts-are-leaf': { 'lib/contracts/planted.ts': "import type {} from '../plan/plan.ts';" },
  'plan-is-edge-free': { 'lib/plan/planted.ts': "import 'node:fs';" },
  'sql-is-text': { 'lib/sql/planted-database.ts': "import 'pg';" },
  'sql-knows-ports-by-type': { 'lib/sql/planted-port.ts': "import '../ports/sql.ts';" },
  'ports-see-domain': { 'lib/ports/planted.ts': "import type {} from '../plan/plan.ts';" },
  'application-sees-ports': { 'lib/application/planted-adapter.ts': "import '../adapters/system-clock.ts';" },
  'adapters-implement-ports': { 'lib/adapters/pg/planted.ts': "import type {} from '../../application/deps.ts';" },
  'adapters-are-siblings': { 'lib/adapters/s3/planted.ts': "import '../sqs/queues.ts';" },
  'infra-is-synth-time': { 'lib/infra/planted.ts': "import type {} from '../application/deps.ts';" },
  'cdk-only-in-infra': { 'lambdas/relay/planted-cdk.ts': "import 'aws-cdk-lib';" },
  'sdk-only-in-adapters': { 'lib/cli/planted-sdk.ts': "import '@aws-sdk/client-s3';" },
  'middy-only-in-lambdas': { 'lib/adapters/sqs/planted.ts': "import '@middy/core';" },
  'lambdas-are-siblings': { 'lambdas/relay/planted-sibling.ts': "import '../retry/handler.ts';" },
  'lambdas-see-no-edge': { 'lambdas/relay/planted-edge.ts': "import '../../lib/cli/exit-codes.ts';" },
  'cli-drives-no-infra': { 'lib/cli/planted-infra.ts': "import '../infra/capabilities.ts';" },
  'local-is-a-leaf': { 'lib/adapters/pg/planted-local.ts': "import '../../local/ports.ts';" },
  'local-deploys-from-outside': { 'lib/local/planted.ts': "import '../infra/function-table.ts';" },
  'demo-is-a-leaf': { 'lib/local/planted-demo.ts': "import '../demo/planted-nothing.ts';" },
  'demo-drives-from-outside': {
    'lib/demo/planted-outside.ts': "import '../infra/capabilities.ts';",
    'lib/demo/planted-nothing.ts': 'export {};',
  },
  'no-test-imports': { 'bin/planted.ts': "import '../test/planted.ts';", 'test/planted.ts': 'export {};' },
  'no-dev-dependencies': { 'lib/adapters/pg/planted-dev.ts': "import 'execa';" },
  resolvable: { 'lib/domain/planted-nowhere.ts': "import './not-there.ts';" },
};

let copy: string;
let violations: readonly Violation[];

beforeAll(async () => {
  // Inside the checkout, so that packages are found in its node_modules.
  mkdirSync(join(CHECKOUT, '.crossfade'), { recursive: true });
  copy = mkdtempSync(join(CHECKOUT, '.crossfade/architecture-'));
  for (const part of ['bin', 'lib', 'lambdas', 'package.json'])
    cpSync(join(CHECKOUT, part), join(copy, part), { recursive: true });
  for (const files of Object.values(PLANTS))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(copy, path)), { recursive: true });
      writeFileSync(join(copy, path), `${text}\n`);
    }
  violations = await cruise(copy);
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

it('plants a violation for every rule', () => {
  const rules = createRequire(import.meta.url)(RULES_FILE) as { readonly forbidden: readonly { name: string }[] };

  const names = rules.forbidden.map(({ name }) => name);

  expect(Object.keys(PLANTS).sort()).toEqual([...names].sort());
});

it.each(Object.keys(PLANTS))('reports what is planted against %s', (rule) => {
  const [file] = Object.keys(PLANTS[rule] ?? {});

  const reported = violations.filter(({ from }) => from === file).map((violation) => violation.rule);

  expect(reported).toContain(rule);
});

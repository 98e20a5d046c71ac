/** Commands on a plan file. They need no AWS and no database. */
import { checkPlanFile } from '../../application/operate/check-plan.ts';
import { OperatorError } from '../../application/operate/operator.ts';
import { planRoles } from '../../application/operate/plan-roles.ts';
import { STORES } from '../../domain/direction.ts';
import { planJsonSchema } from '../../plan/json-schema.ts';
import { type Command, defineCommand } from '../command.ts';
import type { Answer } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { type PlanCheckAnswer, renderPlanCheck } from '../render/plan.ts';

export const PLAN_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'plan check',
    group: 'Plan',
    about: 'check a plan file: every fault with line and column, and what is weaker than the guide',
    details: 'A valid plan exits 0, also with deviations (only a dev plan may have them); a faulty one exits 2.',
    arguments: [{ name: '[file]', about: 'plan file (YAML)' }],
    options: [
      { flags: '--schema', kind: 'switch', about: 'print the JSON Schema of plan files, for editors, instead' },
    ],
    examples: [
      { command: 'plan check plans/shop.yaml', about: 'check before deploying' },
      { command: 'plan check plans/shop.yaml --json', about: 'the same for a pipeline' },
      {
        command: 'plan check --schema > plan.schema.json',
        about: 'for # yaml-language-server: $schema=plan.schema.json',
      },
    ],
    action: async (context, input): Promise<Answer<PlanCheckAnswer>> => {
      const file = input.optionalArgument(0);
      if (input.switched('schema'))
        return {
          payload: { schema: planJsonSchema(), next: 'npx crossfade plan check <file>' },
          exit: EXIT.done,
          bare: true,
        };
      if (file === undefined)
        throw new OperatorError('usage', 'which plan? give the path of a plan file', {
          next: 'npx crossfade plan check --help',
        });
      const payload = checkPlanFile(await context.readFile(file), file);
      return { payload, exit: payload.valid ? EXIT.done : EXIT.usage };
    },
    render: renderPlanCheck,
  }),
  defineCommand({
    name: 'plan roles',
    group: 'Plan',
    about: "print the SQL that makes Crossfade's database roles, for an administrator to run",
    details: 'Passwords are psql variables, so no secret is printed; psql stops when one is missing.',
    arguments: [{ name: '<file>', about: 'plan file (YAML)' }],
    options: [
      {
        flags: '--store <store>',
        kind: 'text',
        about: 'database that the SQL is for',
        choices: STORES,
        required: true,
      },
      { flags: '--owner <role>', kind: 'list', about: "role that owns the plan's tables (repeatable)" },
      { flags: '--database <name>', kind: 'text', about: 'name of the database, where the plan does not say it' },
      { flags: '--prefix <prefix>', kind: 'text', about: 'prefix of the role names', fallback: 'crossfade' },
    ],
    examples: [
      {
        command: 'plan roles plans/shop.yaml --store legacy --owner shop > legacy-roles.sql',
        about: 'SQL for the legacy database',
      },
      {
        command: 'plan roles plans/shop.yaml --store target --owner shop --json',
        about: 'with the role names, for scripts',
      },
    ],
    action: async (context, input) => {
      const file = input.argument(0);
      const store = STORES.find((each) => each === input.text('store')) ?? 'legacy';
      const payload = planRoles({
        text: await context.readFile(file),
        file,
        store,
        database: input.text('database'),
        owners: input.list('owner'),
        prefix: input.text('prefix') ?? 'crossfade',
      });
      return { payload, exit: EXIT.done, bare: true };
    },
    render: ({ sql }) => sql,
  }),
];

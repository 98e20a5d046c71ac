/** Commands on a plan file. They need no AWS and no database. */
import { checkPlanFile } from '../../application/operate/check-plan.ts';
import { type Command, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { renderPlanCheck } from '../render/plan.ts';

export const PLAN_COMMANDS: readonly Command[] = [
  defineCommand({
    name: 'plan check',
    group: 'Plan',
    about: 'check a plan file: every fault with line and column, and what is weaker than the guide',
    details: 'A valid plan exits 0, also with deviations (only a dev plan may have them); a faulty one exits 2.',
    arguments: [{ name: '<file>', about: 'plan file (YAML)' }],
    examples: [
      { command: 'plan check plans/shop.yaml', about: 'check before deploying' },
      { command: 'plan check plans/shop.yaml --json', about: 'the same for a pipeline' },
    ],
    action: async (context, input) => {
      const file = input.argument(0);
      const payload = checkPlanFile(await context.readFile(file), file);
      return { payload, exit: payload.valid ? EXIT.done : EXIT.usage };
    },
    render: renderPlanCheck,
  }),
  defineCommand({
    name: 'plan schema',
    group: 'Plan',
    about: 'print the JSON Schema of plan files, for editors',
    examples: [{ command: 'plan schema > plan.schema.json', about: 'then begin a plan with: # yaml-language-server: $schema=plan.schema.json' }],
    action: async () => {
      const { planJsonSchema } = await import('../../plan/json-schema.ts');
      return { payload: { schema: planJsonSchema(), next: 'crossfade plan check <file>' }, exit: EXIT.done };
    },
    render: ({ schema }) => JSON.stringify(schema, null, 2),
  }),
];

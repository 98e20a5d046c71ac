/** `node test/support/write-plan-schema.ts`: writes docs/plan.schema.json anew after the schema has changed; format it with Biome. */
import { writeFileSync } from 'node:fs';
import { planJsonSchema } from '../../lib/plan/json-schema.ts';

writeFileSync(
  new URL('../../docs/plan.schema.json', import.meta.url),
  `${JSON.stringify(planJsonSchema(), null, 2)}\n`,
);

/** `npm run local -- up [--plan FILE] [--legacy-sql FILE] [--target-sql FILE] | status | down`, each with `--json`. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bringUp, LOCAL_FOLDER, type LocalStatus, status, takeDown } from '../lib/local/up.ts';

const USAGE =
  'usage: npm run local -- up [--plan FILE] [--legacy-sql FILE] [--target-sql FILE] | status | down  [--json]';
const FAILED = 1;
const WRONG_USAGE = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const parsed = parse(args);
  if (parsed === undefined) {
    console.error(USAGE);
    return WRONG_USAGE;
  }
  const { command, values } = parsed;
  const json = values.json === true;
  // With --json standard output holds the answer only.
  const progress = (line: string) => console.error(`  ${line}`);
  try {
    if (command === 'up') {
      const sqlFiles = {
        ...(values['legacy-sql'] && { legacy: resolve(values['legacy-sql']) }),
        ...(values['target-sql'] && { target: resolve(values['target-sql']) }),
      };
      const answer = await bringUp({ folder: LOCAL_FOLDER, planFile: values.plan, sqlFiles, progress });
      print(answer, json);
    } else if (command === 'down') {
      const ended = await takeDown(LOCAL_FOLDER);
      console.log(
        json ? JSON.stringify({ ended }) : ended.length === 0 ? 'nothing was up' : `ended ${ended.join(', ')}`,
      );
    } else {
      print(status(LOCAL_FOLDER), json);
    }
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (json) console.log(JSON.stringify({ error: message }));
    console.error(`crossfade: ${message}`);
    return error instanceof Error && error.name === 'PlanError' ? WRONG_USAGE : FAILED;
  }
}

function parse(args: readonly string[]) {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        plan: { type: 'string' },
        'legacy-sql': { type: 'string' },
        'target-sql': { type: 'string' },
        json: { type: 'boolean' },
      },
    });
    const [command, ...rest] = positionals;
    if (rest.length > 0 || (command !== 'up' && command !== 'status' && command !== 'down')) return undefined;
    return { command, values };
  } catch {
    return undefined;
  }
}

function print(answer: LocalStatus, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(answer, undefined, 2));
    return;
  }
  console.log(`local environment: ${answer.state}`);
  for (const [name, service] of Object.entries(answer.services)) {
    console.log(`  ${name.padEnd(9)} ${service.url}${service.running ? '' : ' (not running)'}`);
  }
  if (answer.plan !== null) console.log(`  plan      ${answer.plan.name} (${answer.plan.file})`);
  console.log(`next: ${answer.next}`);
}

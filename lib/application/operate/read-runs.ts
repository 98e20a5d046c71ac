/** Runs on record: the list, and one by its id. */
import type { RunDocument } from '../../contracts/documents.ts';
import { MACHINES, type Machine } from '../../domain/phase.ts';
import type { Stored } from '../../ports/documents.ts';
import type { Execution } from '../../ports/workflow.ts';
import { type Operator, OperatorError } from './operator.ts';
import { executionName, type RunView, runDocumentId, viewRun } from './run-view.ts';

export interface RunsPayload {
  readonly runs: readonly RunView[];
  readonly next: string;
}

/** Newest first. */
export async function listRuns(
  operator: Operator,
  { machine, limit }: { readonly machine?: Machine | undefined; readonly limit: number },
): Promise<RunsPayload> {
  const machines = machine === undefined ? MACHINES : [machine];
  const stored = (await Promise.all(machines.map((each) => readRunsOf(operator, each)))).flat();
  const newest = stored
    .map(({ value }) => value)
    .sort((left, right) => right.startedAt.localeCompare(left.startedAt))
    .slice(0, limit);
  const runs = newest.map((document) => viewRun(document, undefined));
  const first = runs[0];
  return { runs, next: operator.command(first === undefined ? 'status' : `runs ${first.id}`) };
}

/** @param id execution name, execution ARN, or `<machine>#<execution name>`. */
export async function findRun(operator: Operator, id: string): Promise<RunView> {
  const name = executionName(id.includes('#') ? id.slice(id.indexOf('#') + 1) : id);
  const documents = await Promise.all(
    MACHINES.map((machine) => operator.documents.get('run', runDocumentId(machine, name))),
  );
  const document = documents.find((stored) => stored !== undefined)?.value;
  const arn = document?.execution ?? (id.startsWith('arn:') ? id : undefined);
  const execution = arn === undefined ? await findExecution(operator, name) : await describe(operator, arn);
  if (document === undefined && execution === undefined) {
    throw new OperatorError('usage', `no run ${id} of plan ${operator.system.plan}`, {
      next: operator.command('runs'),
    });
  }
  return viewRun(document, execution);
}

/** The command of a run's end, complete: an execution answers with the program's name and with the plan's. */
export function nextCommand(operator: Operator, run: RunView): string {
  return operator.command(run.next.replace(/^(npx )?crossfade /, '').replace(/ --plan \S+/, ''));
}

function readRunsOf(operator: Operator, machine: Machine): Promise<readonly Stored<RunDocument>[]> {
  // '$' follows '#': the range holds this machine's ids and no other's.
  return operator.documents.list('run', { from: `${machine}#`, to: `${machine}$` });
}

/** Before `begin` has written the run, only Step Functions knows it. */
async function findExecution(operator: Operator, name: string): Promise<Execution | undefined> {
  const lists = await Promise.all(MACHINES.map((machine) => operator.workflow.list(machine, 20)));
  return lists.flat().find((execution) => execution.name === name);
}

async function describe(operator: Operator, arn: string): Promise<Execution | undefined> {
  try {
    return await operator.workflow.describe(arn);
  } catch (error) {
    if (isUnknownExecution(error)) return undefined;
    throw error;
  }
}

/** Step Functions forgets an execution after 90 days; both adapters say so in the same words. */
export function isUnknownExecution(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('there is no execution');
}

/** A question before what is hard to take back. Where nobody can answer, the command line was the decision: machines ask for approvals themselves. */
import { OperatorError } from '../application/operate/operator.ts';
import type { Context } from './context.ts';

/** @throws {OperatorError} refused, when the answer is not yes. */
export async function confirm({ terminal, options }: Context, question: string): Promise<void> {
  if (options.yes || options.json || !terminal.canAsk) return;
  const answer = await terminal.ask(`${question} [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new OperatorError('refused', 'nothing was done', { next: 'npx crossfade status' });
}

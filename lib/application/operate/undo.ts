/**
 * Undoes the writes of one correlation id on the target. Rows are in a database that the CLI cannot reach: the request is left in
 * the control table and the relay carries it out (carry-out-undos.ts), as with a redrive.
 */
import { randomUUID } from 'node:crypto';
import type { UndoAnswer, UndoQuery } from '../../contracts/undo.ts';
import { cleanCorrelation } from '../../domain/correlation.ts';
import { type Operator, OperatorError } from './operator.ts';

/** State of the progress document `undo/<time>#<random>`; removed by whoever asked. */
export interface UndoState {
  readonly query: UndoQuery;
  readonly requestedBy: string;
  readonly why: string;
  /** null: the relay has not come to it yet. */
  readonly answer: UndoAnswer | { readonly failed: string } | { readonly refused: string } | null;
}

export const UNDO_PREFIX = 'undo/';

export interface UndoPayload extends UndoAnswer {
  readonly correlationId: string;
  readonly dryRun: boolean;
  readonly next: string;
}

export interface UndoRequest extends UndoQuery {
  readonly why: string;
  /** Longest wait for the relay. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 500;

/**
 * @throws {OperatorError} usage, for text that is no correlation id or stands for no write; refused, while delivery is held or the
 * target is authoritative; waiting, when nobody answers.
 */
export async function undo(operator: Operator, request: UndoRequest): Promise<UndoPayload> {
  const correlationId = cleanCorrelation(request.correlationId);
  const { dryRun, why } = request;
  if (correlationId === null || correlationId !== request.correlationId)
    throw new OperatorError('usage', 'a correlation id holds letters, digits and . _ : / + = @ - only', {
      next: 'npx crossfade undo --help',
    });
  const at = operator.clock.now().toISOString();
  const id = `${UNDO_PREFIX}${at}#${randomUUID()}`;
  const query: UndoQuery = {
    correlationId,
    dryRun,
    ...(request.repair === undefined ? {} : { repair: request.repair }),
  };
  const state: UndoState = { query, requestedBy: await operator.identity.whoAmI(), why, answer: null };
  await operator.documents.put('progress', id, { work: id, state: { ...state }, at }, 'absent');
  const answer = await awaitAnswer(operator, id, request);
  await operator.documents.remove('progress', id);
  if ('failed' in answer)
    throw new OperatorError('failed', `the relay could not undo it: ${answer.failed}`, {
      next: operator.command('status'),
    });
  if ('refused' in answer)
    throw new OperatorError('refused', `nothing was undone: ${answer.refused}`, { next: operator.command('status') });
  if (answer.rows.length === 0)
    throw new OperatorError('usage', `the applied log has no write of ${correlationId}`, {
      next: operator.command(`trace ${correlationId}`),
    });
  return { correlationId, dryRun, ...answer, next: operator.command(`trace ${correlationId}`) };
}

async function awaitAnswer(
  operator: Operator,
  id: string,
  { waitMs, signal }: UndoRequest,
): Promise<NonNullable<UndoState['answer']>> {
  const until = operator.clock.now().getTime() + waitMs;
  for (;;) {
    const state = (await operator.documents.get('progress', id))?.value.state;
    // Written by carry-out-undos.ts only.
    const answer = state?.answer as UndoState['answer'] | undefined;
    if (answer !== undefined && answer !== null) return answer;
    if (operator.clock.now().getTime() >= until || signal?.aborted === true) {
      // What nobody waits for any more is not to be done later, when nobody expects it.
      await operator.documents.remove('progress', id);
      throw new OperatorError(
        'waiting',
        `the relay has not come to it within ${waitMs / 1000} s; nothing is undone later`,
        {
          next: operator.command('doctor'),
        },
      );
    }
    await operator.clock.sleep(POLL_MS, signal);
  }
}

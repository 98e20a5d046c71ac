/**
 * A person's word on an event that was set aside and is to stay so: who, when and why. The forward gate of dual-write then passes
 * it over; the event itself stays where it is, and behind a fence it blocks all the same.
 */
import type { Mark } from '../../contracts/documents.ts';
import type { Direction } from '../../domain/direction.ts';
import type { DocumentStore } from '../../ports/documents.ts';
import { type Operator, OperatorError } from './operator.ts';

const PREFIX = 'explained/';
/** What sorts behind every position of the outbox. */
const END = '\u{10ffff}';

export interface Explained extends Mark {
  readonly direction: Direction;
  readonly seq: string;
}

export interface ExplainedPayload {
  readonly explained: readonly Explained[];
  readonly next: string;
}

export interface ExplainRequest {
  readonly direction: Direction;
  readonly seqs: readonly string[];
  readonly why: string;
}

/** @throws {OperatorError} usage, for what is no position of the outbox. */
export async function explainParked(
  operator: Operator,
  { direction, seqs, why }: ExplainRequest,
): Promise<ExplainedPayload> {
  const wrong = seqs.filter((seq) => !/^\d{1,19}$/.test(seq));
  if (wrong.length > 0)
    throw new OperatorError('usage', `${wrong.join(', ')} is no position of the outbox, which is a whole number`, {
      next: operator.command('redrive --dry-run'),
    });
  const by = await operator.identity.whoAmI();
  const at = operator.clock.now().toISOString();
  for (const seq of seqs) {
    const id = `${PREFIX}${direction}/${seq}`;
    await operator.documents.put('progress', id, { work: id, state: { direction, seq, by, at, why }, at }, 'any');
  }
  return { explained: await listExplained(operator.documents, direction), next: operator.command('status') };
}

export async function listExplained(
  documents: Pick<DocumentStore, 'list'>,
  direction: Direction,
): Promise<readonly Explained[]> {
  const from = `${PREFIX}${direction}/`;
  const stored = await documents.list('progress', { from, to: `${from}${END}` });
  return stored.map(({ id, value: { state } }) => ({
    direction,
    seq: id.slice(from.length),
    by: String(state.by),
    at: String(state.at),
    why: String(state.why),
  }));
}

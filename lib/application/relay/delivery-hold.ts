/**
 * The emergency stop (design §3.6): a mark in the control document, read before whatever writes to the receiver, but not more
 * often than once a second. Events wait meanwhile, and nothing is lost. They wait too while a rollback overwrites the receiver.
 *
 * Where the control table cannot be read the last answer holds. Whoever has never had an answer waits for one: a relay that
 * starts during an outage must not lift a stop that it cannot see.
 */
import type { ControlDocument, Mark } from '../../contracts/documents.ts';
import type { DocumentStore } from '../../ports/documents.ts';
import type { Deps } from '../deps.ts';

export type HoldDeps = Pick<Deps, 'documents' | 'clock' | 'log'>;

/** Longest age of an answer. With a batch that is under way the stop takes hold well within 5 s. */
const CONTROL_EVERY_MS = 1_000;

interface Answer {
  /** Undefined: nobody has answered yet. */
  hold: Mark | null | undefined;
  readAt: number;
}

/** One answer a process: shards, retries and chores share it. */
const ANSWERS = new WeakMap<DocumentStore, Answer>();

export async function isDeliveryHeld(deps: HoldDeps): Promise<boolean> {
  return (await readHold(deps)) !== null;
}

/** The next look asks the control table, whatever was answered a moment ago. */
export function forgetHold({ documents }: HoldDeps): void {
  const answer = ANSWERS.get(documents);
  if (answer !== undefined) answer.readAt = Number.NEGATIVE_INFINITY;
}

/** Who holds delivery, when and why; null: nobody; undefined: unknown, so delivery waits. */
export async function readHold({ documents, clock, log }: HoldDeps): Promise<Mark | null | undefined> {
  const answer = ANSWERS.get(documents) ?? { hold: undefined, readAt: Number.NEGATIVE_INFINITY };
  ANSWERS.set(documents, answer);
  const now = clock.now().getTime();
  if (now - answer.readAt < CONTROL_EVERY_MS && now >= answer.readAt) return answer.hold;
  answer.readAt = now;
  try {
    answer.hold = holdOf((await documents.get('control', 'control'))?.value, now) ?? null;
  } catch (error) {
    log.warn('the control document cannot be read; delivery stays as it was', {
      held: answer.hold !== null,
      reason: String(error),
    });
  }
  return answer.hold;
}

/** @param now epoch milliseconds. */
export function holdOf(control: ControlDocument | undefined, now: number): Mark | undefined {
  const overwriting = control?.overwriting;
  const isUnderWay = overwriting !== undefined && now < Date.parse(overwriting.until);
  return control?.deliveryHeld ?? (isUnderWay ? overwriting : undefined);
}

/** For a step that waits: a note. */
export function describeHold(hold: Mark | undefined): string {
  return hold === undefined
    ? 'the control document cannot be read; waits until it can'
    : `delivery is held by ${hold.by} since ${hold.at}: ${hold.why}; run: npx crossfade flags resume-delivery`;
}

/**
 * Was a store restored to an earlier state? (protocol §8) A restored copy has the same system identifier and timeline, and uses
 * transaction ids and outbox numbers anew, so neither tells. Two things do: a random token that the relay writes to the source
 * and the receiver remembers, and the events that the receiver applied last, which the source must have.
 */
import { type Direction, receiverOf, type StoreName, sourceOf } from '../../domain/direction.ts';
import {
  type AppliedEventRow,
  type ContradictionRow,
  contradictions,
  lastApplied,
} from '../../sql/history/evidence.ts';
import {
  acknowledgeToken,
  type ReceiverHistoryRow,
  readReceiverHistory,
  readSourceHistory,
  type SourceHistoryRow,
  swapReceiverHistory,
  writeToken,
} from '../../sql/history/tokens.ts';
import type { Deps } from '../deps.ts';
import { outboxKeptMs } from '../retention/kept.ts';

export type History =
  | { readonly kind: 'intact' }
  /** `store` lacks what the other one remembers. */
  | { readonly kind: 'lost'; readonly store: StoreName; readonly why: string };

interface Token {
  readonly n: string;
  readonly token: string;
}

/** `next` is remembered before the source is given it, so that a crash in between looks like no loss. */
interface Remembered {
  readonly confirmed?: Token | undefined;
  readonly next?: Token | undefined;
}

/** Reads of the two stores are not one moment: a token that was moved in between is looked at again. */
const LOOKS = 3;
const EVENTS_LOOKED_AT = 200;
const INTACT: History = { kind: 'intact' };

/** Verifies, and moves the token on. Nothing is judged while another direction is in force. */
export async function checkHistory(deps: Deps, direction: Direction): Promise<History> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  const readReceiver = async () => (await receiver.query<ReceiverHistoryRow>(readReceiverHistory))[0];
  for (let look = 1; ; look++) {
    const before = await readReceiver();
    const [sent] = await source.query<SourceHistoryRow>(readSourceHistory);
    const after = await readReceiver();
    if (sent === undefined || before === undefined || after === undefined)
      throw new RangeError('both stores have the crossfade schema with one row of source and control');
    if (sent.direction !== direction) return INTACT;
    if ((before.state !== after.state || before.source_epoch !== after.source_epoch) && look < LOOKS) continue;
    const remembered: Remembered = after.state === null ? {} : JSON.parse(after.state);
    const judged = judge(direction, sent, after.source_epoch, remembered);
    if (judged.kind === 'lost') return judged;
    const contradicted = await findContradictions(deps, direction);
    if (contradicted !== undefined) return contradicted;
    await moveOn(deps, direction, sent, after.state, remembered);
    return INTACT;
  }
}

/** Pure: what two stores remember of each other. */
function judge(
  direction: Direction,
  sent: SourceHistoryRow,
  sourceEpoch: number,
  { confirmed, next }: Remembered,
): History {
  const source = sourceOf(direction);
  const receiver = receiverOf(direction);
  const lost = (store: StoreName, why: string): History => ({ kind: 'lost', store, why });
  if (sent.epoch < sourceEpoch)
    return lost(source, `it is in epoch ${sent.epoch}, and ${receiver} has seen ${sourceEpoch}`);
  if (sent.epoch > sourceEpoch)
    return lost(receiver, `it is in epoch ${sourceEpoch}, and ${source} has begun ${sent.epoch}`);
  if (BigInt(sent.acked_n) > BigInt(confirmed?.n ?? 0))
    return lost(receiver, `it has forgotten token ${sent.acked_n}, which it had confirmed`);
  if (confirmed !== undefined && sent.token !== confirmed.token && sent.token !== next?.token)
    return lost(
      source,
      `it does not have token ${confirmed.n}, which ${receiver} remembers; it has token ${sent.token_n}`,
    );
  return INTACT;
}

async function findContradictions(deps: Deps, direction: Direction): Promise<History | undefined> {
  // Half of what is kept: an event that was applied within it has not been pruned.
  const applied = await deps.databases
    .open(receiverOf(direction), 'apply')
    .query<AppliedEventRow>(lastApplied(Math.floor(outboxKeptMs(deps.plan) / 2), EVENTS_LOOKED_AT));
  if (applied.length === 0) return undefined;
  const found = await deps.databases
    .open(sourceOf(direction), 'relay')
    .query<ContradictionRow>(contradictions(applied));
  const [first] = found;
  if (first === undefined) return undefined;
  const why =
    first.kind === 'other'
      ? `it has another event under number ${first.seq} than the one that was applied`
      : `it has no event ${first.seq}, which was applied`;
  return { kind: 'lost', store: sourceOf(direction), why };
}

/** Each step is a compare and swap, and may be left out by a crash: the next check goes on where it stands. */
async function moveOn(
  deps: Deps,
  direction: Direction,
  sent: SourceHistoryRow,
  state: string | null,
  { confirmed, next }: Remembered,
): Promise<void> {
  const source = deps.databases.open(sourceOf(direction), 'relay');
  const receiver = deps.databases.open(receiverOf(direction), 'apply');
  let current = state;
  const swap = async (to: Remembered): Promise<boolean> => {
    const text = JSON.stringify(to);
    const rows = await receiver.query(swapReceiverHistory(current, text));
    current = text;
    return rows.length > 0;
  };
  const highest = BigInt(sent.token_n) > BigInt(confirmed?.n ?? 0) ? sent.token_n : (confirmed?.n ?? '0');
  const token = next ?? { n: String(BigInt(highest) + 1n), token: deps.newId() };
  if (next === undefined && !(await swap({ confirmed, next: token }))) return;
  if (sent.token !== token.token) {
    const written = await source.query(writeToken(token.n, token.token, sent.token_n));
    if (written.length === 0) return;
  }
  if (await swap({ confirmed: token })) await source.query(acknowledgeToken(token.n));
}

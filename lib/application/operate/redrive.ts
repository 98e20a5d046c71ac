/**
 * Brings back what was set aside. The events stand in the outbox, which the CLI cannot reach, and a dead-letter queue holds only
 * their claim checks: so a request is left in the control table and the relay carries it out (carry-out-redrive.ts).
 */
import { DIRECTIONS, type Direction } from '../../domain/direction.ts';
import { type Operator, OperatorError } from './operator.ts';

export const SET_ASIDE_STATES = ['dead', 'parked'] as const;
export type SetAsideState = (typeof SET_ASIDE_STATES)[number];

/** State of the progress document `redrive/<direction>`. */
export interface RedriveState {
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly states: readonly SetAsideState[];
  /** null: the relay has not come to it yet. */
  readonly carriedOutAt: string | null;
  /** Events that the relay took back. */
  readonly events: number;
}

export interface RedriveDirection {
  readonly direction: Direction;
  /** As the relay last counted. */
  readonly parked: number;
  readonly dead: number;
  readonly deadLetters: number;
  readonly reasons: readonly string[];
  readonly requested: boolean;
  readonly carriedOutAt: string | null;
  readonly broughtBack: number;
}

export interface RedrivePayload {
  readonly dryRun: boolean;
  readonly states: readonly SetAsideState[];
  readonly directions: readonly RedriveDirection[];
  readonly next: string;
}

export interface RedriveRequest {
  /** Absent: both. */
  readonly direction?: Direction | undefined;
  readonly states: readonly SetAsideState[];
  readonly dryRun: boolean;
  /** Longest wait for the relay; 0: do not wait. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 1_000;

export function redriveId(direction: Direction): string {
  return `redrive/${direction}`;
}

export async function redrive(operator: Operator, request: RedriveRequest): Promise<RedrivePayload> {
  const { states, dryRun } = request;
  const directions = request.direction === undefined ? DIRECTIONS : [request.direction];
  const found = await Promise.all(directions.map((direction) => countSetAside(operator, direction)));
  const wanted = dryRun ? [] : found.filter((each) => each.parked + each.dead + each.deadLetters > 0);
  for (const { direction } of wanted) await leaveRequest(operator, direction, states);
  const outcomes = await Promise.all(
    wanted.map(async ({ direction }) => [direction, await awaitRelay(operator, direction, request)] as const),
  );
  const carriedOut = new Map(outcomes);
  const results = found.map((each) => ({
    ...each,
    requested: carriedOut.has(each.direction),
    ...carriedOut.get(each.direction),
  }));
  const isWaiting = dryRun && results.some(({ parked, dead, deadLetters }) => parked + dead + deadLetters > 0);
  return { dryRun, states, directions: results, next: operator.command(isWaiting ? 'redrive' : 'status') };
}

export function parseDirection(text: string): Direction {
  const direction = DIRECTIONS.find((each) => each === text);
  if (direction === undefined)
    throw new OperatorError('usage', `no direction ${text}; there are ${DIRECTIONS.join(', ')}`, {
      next: 'npx crossfade redrive --help',
    });
  return direction;
}

async function countSetAside(operator: Operator, direction: Direction): Promise<RedriveDirection> {
  const [health, depth] = await Promise.all([
    operator.documents.get('progress', `relay/${direction}`),
    operator.queues.depth(direction),
  ]);
  const state = health?.value.state ?? {};
  return {
    direction,
    parked: countOf(state.parked),
    dead: countOf(state.dead),
    deadLetters: depth.dead,
    reasons: reasonsOf(state.setAside),
    requested: false,
    carriedOutAt: null,
    broughtBack: 0,
  };
}

async function leaveRequest(operator: Operator, direction: Direction, states: readonly SetAsideState[]): Promise<void> {
  const at = operator.clock.now().toISOString();
  const state: RedriveState = {
    requestedBy: await operator.identity.whoAmI(),
    requestedAt: at,
    states,
    carriedOutAt: null,
    events: 0,
  };
  await operator.documents.put(
    'progress',
    redriveId(direction),
    { work: redriveId(direction), state: { ...state }, at },
    'any',
  );
}

async function awaitRelay(
  operator: Operator,
  direction: Direction,
  { waitMs, signal }: RedriveRequest,
): Promise<Pick<RedriveDirection, 'carriedOutAt' | 'broughtBack'>> {
  const until = operator.clock.now().getTime() + waitMs;
  for (;;) {
    const state = (await operator.documents.get('progress', redriveId(direction)))?.value.state;
    const carriedOutAt = state?.carriedOutAt;
    if (typeof carriedOutAt === 'string') return { carriedOutAt, broughtBack: countOf(state?.events) };
    if (operator.clock.now().getTime() >= until || signal?.aborted === true)
      return { carriedOutAt: null, broughtBack: 0 };
    await operator.clock.sleep(POLL_MS, signal);
  }
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** Table, key and reason of each event that the relay names; never row contents. */
function reasonsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.map(
    (row: { seq?: string; state?: string; table_name?: string; row_key?: string; reason?: string | null }) =>
      `${row.state ?? ''} ${row.table_name ?? ''} ${row.row_key ?? ''} (seq ${row.seq ?? ''}): ${row.reason ?? 'no reason recorded'}`,
  );
}

/**
 * Brings back what was set aside. The events stand in the outbox, which the CLI cannot reach, and a dead-letter queue holds only
 * their claim checks: so a request is left in the control table and the relay carries it out (carry-out-redrive.ts).
 */
import { DIRECTIONS, type Direction } from '../../domain/direction.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { type Operator, OperatorError } from './operator.ts';

export const SET_ASIDE_STATES = ['dead', 'parked'] as const;
export type SetAsideState = (typeof SET_ASIDE_STATES)[number];

/** State of the progress document `redrive/<direction>`. */
export interface RedriveState {
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly states: readonly SetAsideState[];
  /** Only events of these tenants; empty: of all. */
  readonly tenants: readonly string[];
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
  /** Set aside, and not among the groups that the relay lists: whose they are is not known here. 0 where all are asked for. */
  readonly unlisted: number;
  /** By tenant and reason. */
  readonly groups: readonly RedriveGroup[];
  /** The oldest events one by one. */
  readonly reasons: readonly string[];
  readonly requested: boolean;
  readonly carriedOutAt: string | null;
  readonly broughtBack: number;
}

/** Events of one tenant and table that were set aside for one and the same reason. */
export interface RedriveGroup {
  readonly tenant: string;
  readonly state: SetAsideState;
  readonly table: string;
  readonly reason: string;
  readonly events: number;
}

export interface RedrivePayload {
  readonly dryRun: boolean;
  readonly states: readonly SetAsideState[];
  /** Empty: all. */
  readonly tenants: readonly string[];
  readonly directions: readonly RedriveDirection[];
  readonly next: string;
}

export interface RedriveRequest {
  /** Absent: both. */
  readonly direction?: Direction | undefined;
  readonly states: readonly SetAsideState[];
  /** Absent or empty: all. */
  readonly tenants?: readonly string[] | undefined;
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
  const { states, tenants = [], dryRun } = request;
  const directions = request.direction === undefined ? DIRECTIONS : [request.direction];
  const found = await Promise.all(directions.map((direction) => countSetAside(operator, direction, tenants)));
  const wanted = dryRun ? [] : found.filter((each) => setAsideOf(each) > 0);
  for (const { direction } of wanted) await leaveRequest(operator, direction, states, tenants);
  const outcomes = await Promise.all(
    wanted.map(async ({ direction }) => [direction, await awaitRelay(operator, direction, request)] as const),
  );
  const carriedOut = new Map(outcomes);
  const results = found.map((each) => ({
    ...each,
    requested: carriedOut.has(each.direction),
    ...carriedOut.get(each.direction),
  }));
  const isWaiting = dryRun && results.some((each) => setAsideOf(each) > 0);
  const again = ['redrive', ...tenants.map((tenant) => `--tenant ${tenant}`)].join(' ');
  return { dryRun, states, tenants, directions: results, next: operator.command(isWaiting ? again : 'status') };
}

export function setAsideOf({ parked, dead, deadLetters, unlisted }: RedriveDirection): number {
  return parked + dead + deadLetters + unlisted;
}

export function parseDirection(text: string): Direction {
  const direction = DIRECTIONS.find((each) => each === text);
  if (direction === undefined)
    throw new OperatorError('usage', `no direction ${text}; there are ${DIRECTIONS.join(', ')}`, {
      next: 'npx crossfade redrive --help',
    });
  return direction;
}

/** Counts are the relay's of a few seconds ago: for people, and to leave no request where nothing waits. */
async function countSetAside(
  operator: Operator,
  direction: Direction,
  tenants: readonly string[],
): Promise<RedriveDirection> {
  const [health, depth] = await Promise.all([
    operator.documents.get('progress', `relay/${direction}`),
    operator.queues.depth(direction),
  ]);
  const state = health?.value.state ?? {};
  const isWanted = ({ tenant }: { readonly tenant?: string | null }) =>
    tenants.length === 0 || tenants.includes(tenant ?? NO_TENANT);
  const listed = groupsOf(state.setAsideGroups);
  const groups = listed.filter(isWanted);
  const events = listed.reduce((sum, group) => sum + group.events, 0);
  const count = (kind: SetAsideState) =>
    tenants.length === 0
      ? countOf(state[kind])
      : groups.filter((group) => group.state === kind).reduce((sum, { events }) => sum + events, 0);
  return {
    direction,
    parked: count('parked'),
    dead: count('dead'),
    // A claim check does not say whose event it stands for.
    deadLetters: tenants.length === 0 ? depth.dead : 0,
    unlisted: tenants.length === 0 ? 0 : Math.max(0, countOf(state.parked) + countOf(state.dead) - events),
    groups,
    reasons: reasonsOf(state.setAside, isWanted),
    requested: false,
    carriedOutAt: null,
    broughtBack: 0,
  };
}

/** What somebody asked for and the relay has not come to is asked for, too: one request does not take the place of another. */
async function leaveRequest(
  operator: Operator,
  direction: Direction,
  states: readonly SetAsideState[],
  tenants: readonly string[],
): Promise<void> {
  const at = operator.clock.now().toISOString();
  // Written by this function only, and by the relay when it was carried out.
  const before = (await operator.documents.get('progress', redriveId(direction)))?.value.state as
    | RedriveState
    | undefined;
  const open = before?.carriedOutAt === null ? before : undefined;
  const isForAll = tenants.length === 0 || open?.tenants.length === 0;
  const state: RedriveState = {
    requestedBy: await operator.identity.whoAmI(),
    requestedAt: at,
    states: SET_ASIDE_STATES.filter((each) => states.includes(each) || open?.states.includes(each) === true),
    tenants: isForAll ? [] : [...new Set([...(open?.tenants ?? []), ...tenants])],
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

/** As `setAsideGroups` of the relay's health says it. */
function groupsOf(value: unknown): readonly RedriveGroup[] {
  return Array.isArray(value) ? (value as readonly RedriveGroup[]) : [];
}

interface NamedEvent {
  readonly seq?: string;
  readonly state?: string;
  readonly table_name?: string;
  readonly row_key?: string;
  readonly tenant?: string | null;
  readonly reason?: string | null;
}

/** Table, key and reason of each event that the relay names; never row contents. */
function reasonsOf(value: unknown, isWanted: (event: NamedEvent) => boolean): readonly string[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly NamedEvent[])
    .filter(isWanted)
    .map(
      ({ seq = '', state = '', table_name: table = '', row_key: key = '', reason }) =>
        `${state} ${table} ${key} (seq ${seq}): ${reason ?? 'no reason recorded'}`,
    );
}

/** `crossfade recover`: leaves a request for a new epoch, which the relay carries out (lib/application/history/recover.ts). */
import type { Direction } from '../../domain/direction.ts';
import { type RecoverState, recoverId } from '../history/recover.ts';
import { listIncidents } from '../incidents/incidents.ts';
import { type Operator, OperatorError } from './operator.ts';

export interface RecoverPayload {
  readonly direction: Direction;
  /** What is known of the loss; empty when a person says so. */
  readonly says: readonly string[];
  readonly dryRun: boolean;
  readonly carriedOutAt: string | null;
  readonly epoch: number | null;
  readonly tenants: readonly string[];
  readonly next: string;
}

export interface RecoverRequest {
  readonly why: string;
  /** Without an incident on record: the person knows better. */
  readonly force: boolean;
  readonly dryRun: boolean;
  /** Longest wait for the relay; 0: do not wait. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 1_000;

export async function recover(operator: Operator, request: RecoverRequest): Promise<RecoverPayload> {
  const lost = (await listIncidents(operator)).filter(
    ({ kind, closed }) => kind === 'history-lost' && closed === undefined,
  );
  if (lost.length === 0 && !request.force)
    throw new OperatorError(
      'refused',
      'no store is known to have lost a part of its history; --force begins a new epoch all the same',
      {
        next: operator.command('incidents show --all'),
      },
    );
  const [journal] = await operator.documents.list('journal', { limit: 1, descending: true });
  const direction = journal?.value.direction ?? 'forward';
  if (!request.dryRun) await leaveRequest(operator, direction, request.why);
  const state = request.dryRun ? null : await awaitRelay(operator, direction, request);
  return {
    direction,
    says: lost.map(({ says }) => says),
    dryRun: request.dryRun,
    carriedOutAt: state?.carriedOutAt ?? null,
    epoch: state?.epoch ?? null,
    tenants: state?.tenants?.map(({ tenant }) => tenant) ?? [],
    next: operator.command(nextOf(request.dryRun, state, direction)),
  };
}

/** A request that is under way is left as it is: it has decided on its epoch. */
async function leaveRequest(operator: Operator, direction: Direction, why: string): Promise<void> {
  const stored = await operator.documents.get('progress', recoverId(direction));
  if (stored?.value.state.carriedOutAt === null) return;
  const at = operator.clock.now().toISOString();
  const state: RecoverState = {
    requestedBy: await operator.identity.whoAmI(),
    requestedAt: at,
    why,
    carriedOutAt: null,
  };
  await operator.documents.put(
    'progress',
    recoverId(direction),
    { work: recoverId(direction), state: { ...state }, at },
    'any',
  );
}

async function awaitRelay(
  operator: Operator,
  direction: Direction,
  { waitMs, signal }: RecoverRequest,
): Promise<RecoverState> {
  const until = operator.clock.now().getTime() + waitMs;
  for (;;) {
    // Written by leaveRequest and by the relay.
    const state = (await operator.documents.get('progress', recoverId(direction)))?.value
      .state as unknown as RecoverState;
    if (state.carriedOutAt !== null || operator.clock.now().getTime() >= until || signal?.aborted === true)
      return state;
    await operator.clock.sleep(POLL_MS, signal);
  }
}

function nextOf(dryRun: boolean, state: RecoverState | null, direction: Direction): string {
  if (dryRun) return 'recover';
  if (state?.carriedOutAt == null) return 'status';
  return direction === 'forward' ? 'start backfill' : 'reconcile --repair';
}

/** Repairs for people: which there are, and what one does row by row. Keys, columns, digests and reasons; never values. */
import type { RepairDocument } from '../../contracts/documents.ts';
import type { PlannedRow, RepairState } from '../../contracts/repair.ts';
import { CONFLICT_MEANINGS } from '../../domain/conflict.ts';
import { readArtefact } from '../repair/repair-store.ts';
import { messageOf, type Operator, OperatorError } from './operator.ts';

export interface RepairView extends Omit<RepairDocument, 'state'> {
  readonly state: RepairState;
}

export interface RepairsPayload {
  readonly repairs: readonly RepairView[];
  readonly next: string;
}

/** Newest first. */
export async function listRepairs(
  operator: Operator,
  { all, limit }: { readonly all: boolean; readonly limit: number },
): Promise<RepairsPayload> {
  const now = operator.clock.now().toISOString();
  const views = (await operator.documents.list('repair')).map(({ value }) => viewRepair(value, now));
  const repairs = views
    .filter(({ state }) => all || OPEN.includes(state))
    .toSorted((one, other) => other.madeAt.localeCompare(one.madeAt))
    .slice(0, limit);
  const [first] = repairs;
  return { repairs, next: operator.command(first === undefined ? 'repair plan' : `repair show ${first.id}`) };
}

export interface RepairPayload {
  readonly repair: RepairView;
  readonly planned: readonly PlannedRow[];
  /** Rows of the plan beyond those shown. */
  readonly more: number;
  readonly next: string;
}

/** @throws {OperatorError} usage for an id that nobody gave out; refused when the plan is not the one that was recorded. */
export async function showRepair(
  operator: Operator,
  { id, table, limit }: { readonly id: string; readonly table: string | undefined; readonly limit: number },
): Promise<RepairPayload> {
  const repair = await readRepair(operator, id);
  const artefact = await readArtefact(operator.objects, repair).catch((error: unknown) => {
    if (!(error instanceof RangeError)) throw error;
    throw new OperatorError('refused', messageOf(error), { next: operator.command('repair plan'), cause: error });
  });
  const rows = artefact.planned.filter((row) => table === undefined || row.table === table);
  return {
    repair,
    planned: rows.slice(0, limit),
    more: Math.max(0, rows.length - limit),
    next: operator.command(nextOf(repair)),
  };
}

/** @throws {OperatorError} usage, when there is none. */
export async function readRepair(operator: Operator, id: string): Promise<RepairView> {
  const stored = await operator.documents.get('repair', id);
  if (stored === undefined)
    throw new OperatorError('usage', `no repair ${id} of plan ${operator.system.plan}`, {
      next: operator.command('repair list --all'),
    });
  return viewRepair(stored.value, operator.clock.now().toISOString());
}

/** One line a decision: which side wins a column, why, in how many rows. */
export function describeDecisions({ decisions }: RepairView): readonly (readonly string[])[] {
  return decisions.map(({ table, column, winner, reason, rows }) => [
    `${table}.${column}`,
    winner,
    `${rows}`,
    CONFLICT_MEANINGS[reason],
  ]);
}

const OPEN: readonly RepairState[] = ['planned', 'awaiting-approval', 'approved', 'running'];

/** A plan that nobody ran in time is over, whoever looks first. */
function viewRepair(document: RepairDocument, now: string): RepairView {
  const isLate = document.state === 'planned' && document.expiresAt <= now;
  return isLate ? { ...document, state: 'expired' } : document;
}

function nextOf({ id, state, ranBy }: RepairView): string {
  if (state === 'planned' || state === 'running') return `repair run ${id}`;
  if (state === 'awaiting-approval') return 'approvals';
  if (state === 'done' && ranBy !== undefined) return `repair undo ${id} --dry-run`;
  return state === 'undone' ? 'reconcile' : 'drift status';
}

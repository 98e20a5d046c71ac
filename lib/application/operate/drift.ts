/** Drift for people: the clock, the open differences, and one of them explained. Keys and columns, never values (invariant 9). */
import type { DriftDocument, TableCycle } from '../../contracts/documents.ts';
import { type DriftClock, readDriftClock } from './drift-clock.ts';
import { type Operator, OperatorError } from './operator.ts';
import { readFacts } from './read-facts.ts';

export interface DriftStatusPayload {
  readonly clock: DriftClock;
  readonly alert: { readonly driftPercent: number; readonly cycles: number };
  readonly openDifferences: number;
  /** Of the last cycle. */
  readonly tables: readonly TableCycle[];
  readonly numbersFrom: 'plan' | 'guide';
  readonly next: string;
}

export async function readDriftStatus(operator: Operator): Promise<DriftStatusPayload> {
  const [{ numbers, cycles, copiedIds }, open] = await Promise.all([readFacts(operator), readOpen(operator)]);
  const clock = readDriftClock(cycles, numbers, copiedIds, operator.clock.now());
  return {
    clock,
    alert: numbers.driftAlert,
    openDifferences: open.length,
    tables: cycles[0]?.tables ?? [],
    numbersFrom: numbers.source,
    next: operator.command(nextOf(open.length, clock)),
  };
}

export interface DriftShowPayload {
  /** Differences that match, before `limit`. */
  readonly total: number;
  readonly differences: readonly DriftDocument[];
  readonly next: string;
}

export interface DriftFilter {
  readonly table?: string | undefined;
  readonly tenants: readonly string[];
  readonly limit: number;
}

export async function showDrift(operator: Operator, { table, tenants, limit }: DriftFilter): Promise<DriftShowPayload> {
  const matching = (await readOpen(operator)).filter(
    (difference) =>
      (table === undefined || difference.table === table) &&
      (tenants.length === 0 || tenants.includes(difference.tenant ?? '*')),
  );
  const first = matching[0];
  return {
    total: matching.length,
    differences: matching.slice(0, limit),
    next: operator.command(
      first === undefined ? 'drift status' : `drift explain ${quote(first.table)} ${quote(first.rowKey)}`,
    ),
  };
}

export interface DriftExplainPayload {
  readonly difference: DriftDocument;
  readonly meaning: string;
  readonly likely: string;
  readonly repair: string;
  readonly next: string;
}

const KINDS: Readonly<Record<DriftDocument['kind'], { readonly meaning: string; readonly likely: string }>> = {
  missing: {
    meaning: 'legacy has the row, the target does not',
    likely:
      'a write that capture did not see (TRUNCATE, replica role, before install), a parked event, or a delete made on the target past the fence',
  },
  extra: {
    meaning: 'the target has the row, legacy does not',
    likely: 'a delete that capture did not see, or a row inserted on the target past the fence',
  },
  different: {
    meaning: 'both stores have the row, and the named columns differ',
    likely:
      'a write on the target past the fence, an update that capture did not see, or a mapping that is not what the plan says',
  },
};

export async function explainDrift(
  operator: Operator,
  { table, rowKey }: { readonly table: string; readonly rowKey: string },
): Promise<DriftExplainPayload> {
  const stored = await operator.documents.get('drift', `${table}#${rowKey}`);
  if (stored === undefined) {
    throw new OperatorError(
      'usage',
      `no difference on record for ${table} ${rowKey}; it converged, was repaired, or the key is written differently`,
      {
        next: operator.command(`drift show --table ${quote(table)}`),
      },
    );
  }
  const difference = stored.value;
  return {
    difference,
    ...KINDS[difference.kind],
    repair:
      'reconcile with --repair reads the row again and writes it through the same guarded apply as the relay; a newer event always wins',
    next: operator.command(
      difference.repairedAt === undefined ? `reconcile --table=${quote(table)} --repair` : 'drift status',
    ),
  };
}

async function readOpen(operator: Operator): Promise<readonly DriftDocument[]> {
  return (await operator.documents.list('drift'))
    .map(({ value }) => value)
    .filter((difference) => difference.repairedAt === undefined);
}

function nextOf(open: number, clock: DriftClock): string {
  if (open > 0) return 'drift show';
  if (clock.last === null) return 'reconcile --dry-run';
  return clock.pass ? 'start cutover --dry-run' : 'status --watch';
}

/** Row keys hold JSON; a shell must see one word. */
function quote(text: string): string {
  return /^[\w.,:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** How far a table's copy has come: the last key that was APPLIED, never the last that was read (prior art, trap 20). */
import { fingerprint } from '../../domain/fingerprint.ts';
import type { Deps } from '../deps.ts';

export interface CopiedTenant {
  readonly tenant: string;
  readonly generation: number;
}

export interface TableProgress {
  readonly table: string;
  /** Tells copies of other tenants or generations apart: a tenant that was off in between is copied from the start. */
  readonly subject: string;
  /** Rows to copy, counted or estimated when the copy was planned; null: not known. */
  readonly total?: number | null | undefined;
  /** `total` is what the catalogue says of the whole table. */
  readonly estimated?: boolean | undefined;
  /** Last key of legacy when the copy of the table began, and the last that is copied; null: it was empty. Absent: not begun. */
  readonly through?: string | null | undefined;
  readonly after: string | null;
  readonly rows: number;
  readonly batches: number;
  /** Of `rows`, those that the target held as new already: not written. */
  readonly unwritten?: number | undefined;
  /** Every page of legacy is applied. */
  readonly done: boolean;
  /** Target rows that legacy does not have: how far their removal has come. */
  /** Last key of the target when the sweep began; as `through`. */
  readonly sweepThrough?: string | null | undefined;
  readonly sweptAfter: string | null;
  /** Keys of the target that were looked at. */
  readonly sweptKeys?: number | undefined;
  readonly swept: boolean;
  readonly removed: number;
  /** Rows that could not be written, with why; the first of them by key. */
  readonly failed: readonly { readonly rowKey: string; readonly reason: string }[];
  readonly failures: number;
  readonly startedAt: string;
  readonly endedAt?: string | undefined;
}

/** Failed rows that are kept one by one; all of them are counted. */
export const MAX_FAILED = 200;
export const PROGRESS_PREFIX = 'backfill/';
const GROUP_KEY = 'backfill/tenants.json';

export async function readProgress(
  deps: Deps,
  table: string,
  tenants: readonly CopiedTenant[],
): Promise<TableProgress> {
  const subject = fingerprint(tenants.toSorted((a, b) => a.tenant.localeCompare(b.tenant)));
  const stored = await deps.documents.get('progress', idOf(table));
  // Written below by the same code.
  const known = stored?.value.state as unknown as TableProgress | undefined;
  if (known?.subject === subject) return known;
  const startedAt = deps.clock.now().toISOString();
  return {
    table,
    subject,
    after: null,
    rows: 0,
    batches: 0,
    done: false,
    sweptAfter: null,
    swept: false,
    removed: 0,
    failed: [],
    failures: 0,
    startedAt,
  };
}

/** Tenants that are copied together; 20 000 of them are too many for a document. */
export async function readGroup({ objects }: Deps): Promise<readonly CopiedTenant[]> {
  const body = await objects.get(GROUP_KEY);
  // Written below by the same code.
  return body === undefined ? [] : (JSON.parse(body) as readonly CopiedTenant[]);
}

export async function saveGroup({ objects }: Deps, tenants: readonly CopiedTenant[]): Promise<void> {
  await objects.put(GROUP_KEY, JSON.stringify(tenants), 'application/json');
}

export async function saveProgress(deps: Deps, progress: TableProgress): Promise<void> {
  const id = idOf(progress.table);
  await deps.documents.put(
    'progress',
    id,
    { work: id, state: { ...progress }, at: deps.clock.now().toISOString() },
    'any',
  );
}

function idOf(table: string): string {
  return `${PROGRESS_PREFIX}${table}`;
}

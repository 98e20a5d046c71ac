/** What a cycle compares: the scope says what, the mode says how (design §4). Pure, so that the command line and the schedule agree. */
export const SCOPE_KINDS = ['full', 'window', 'sample', 'keys'] as const;
export type ScopeKind = (typeof SCOPE_KINDS)[number];

/** `due`: the schedule's own wish: the tables whose time has come, fully or by window as each needs. */
export const SCOPE_WISHES = [...SCOPE_KINDS, 'due'] as const;
export type ScopeWish = (typeof SCOPE_WISHES)[number];

export function isScopeWish(text: string): text is ScopeWish {
  return SCOPE_WISHES.some((known) => known === text);
}

export interface WishedScope {
  readonly scopeKind?: ScopeWish | null | undefined;
  readonly windowMs?: number | null | undefined;
  readonly limit: number | null;
  readonly keys?: readonly string[] | undefined;
  readonly dryRun: boolean;
}

export interface ScopeNumbers {
  readonly window: number;
  readonly limit: number;
  readonly dryRunLimit: number;
}

export interface ChosenScope {
  readonly kind: ScopeWish;
  /** Reach back of a window; null: since the last cycle (`due`). */
  readonly windowMs: number | null;
  /** Rows compared at most; null: all that the scope has. */
  readonly limit: number | null;
}

/**
 * Full unless a scope, a window, a limit or keys say otherwise; a window and a limit have the guide's defaults of one hour and
 * 5000 rows (`reconcile.window`, `reconcile.limit`). A dry run that says nothing reads `reconcile.dryRunLimit` rows.
 */
export function chooseScope(wish: WishedScope, numbers: ScopeNumbers): ChosenScope {
  const { scopeKind, windowMs = null, limit, keys = [], dryRun } = wish;
  const asksForWindow = windowMs !== null || limit !== null;
  const kind = scopeKind ?? (keys.length > 0 ? 'keys' : asksForWindow ? 'window' : 'full');
  if (kind === 'window') return { kind, windowMs: windowMs ?? numbers.window, limit: limit ?? numbers.limit };
  if (kind === 'sample') return { kind, windowMs: null, limit: limit ?? numbers.limit };
  const saysNothing = scopeKind == null && kind === 'full';
  return { kind, windowMs: null, limit: limit ?? (dryRun && saysNothing ? numbers.dryRunLimit : null) };
}

/** When a table was last compared to its end; absent: never. Epoch milliseconds. */
export interface TableMark {
  readonly at: number;
  readonly fullAt: number;
}

export interface DueTable {
  readonly table: string;
  readonly full: boolean;
}

export interface DueRule {
  readonly cycleMs: number;
  readonly fullEveryMs: number;
  /** Tables' own intervals; null or absent: `cycleMs`. */
  readonly every: Readonly<Record<string, number | null>>;
}

/** How often the schedule fires: the shortest interval of all. */
export function tickMs({ cycleMs, every }: Pick<DueRule, 'cycleMs' | 'every'>): number {
  return Math.min(cycleMs, ...Object.values(every).map((own) => own ?? cycleMs));
}

/**
 * Tables whose time has come, half a tick early rather than a whole one late: a schedule is never to the millisecond. When one of
 * them needs a full pass, all of them get it: they are then in step, and a cycle is one thing or the other.
 */
export function dueTables(marks: Readonly<Record<string, TableMark>>, rule: DueRule, now: number): readonly DueTable[] {
  const early = tickMs(rule) / 2;
  const due = Object.entries(rule.every).filter(([table, own]) => {
    const mark = marks[table];
    return mark === undefined || now - mark.at >= (own ?? rule.cycleMs) - early;
  });
  const full = due.some(([table]) => {
    const mark = marks[table];
    return mark === undefined || now - mark.fullAt >= rule.fullEveryMs - early;
  });
  return due.map(([table]) => ({ table, full }));
}

/** Rows that one statement digests within a second. */
const SPAN_ROWS = 50_000;

export interface CallSize {
  readonly chunkRows: number;
  /** Chunks that one function call compares. */
  readonly chunksPerBatch: number;
}

/** Chunks of one item of the Distributed Map: one statement a store, and one result object. */
export function chunksPerSpan({ chunkRows, chunksPerBatch }: CallSize): number {
  return Math.max(1, Math.min(Math.floor(SPAN_ROWS / chunkRows), chunksPerBatch));
}

/** A call has 300 s: stores that hash no more than 5000 rows a second need a third of it. */
const ROWS_A_CALL = 500_000;
/** Calls for each of those that compare at once: a slow one at the end holds up little. */
const TURNS = 2;

/**
 * Items of one function call: what the plan says at most, and so few that every call that may run has its turns where there are
 * enough items.
 */
export function itemsPerCall(size: CallSize, items: number, calls: number): number {
  const span = chunksPerSpan(size);
  const planned = Math.floor(size.chunksPerBatch / span);
  const bearable = Math.floor(ROWS_A_CALL / (span * size.chunkRows));
  const shared = Math.floor(items / (calls * TURNS));
  return Math.max(1, Math.min(planned, bearable, shared));
}

/** A call has a digest and a count of tenants under way in the source, and one digest in the receiver. */
const CONNECTIONS_A_CALL = 2;
/** The application keeps the other half of its pool. */
const SHARE_OF_A_POOL = 0.5;

/** Calls that compare at once: what the plan wishes, and no more than half of the smaller pool bears. */
export function callsAtOnce(wished: number, pools: { readonly legacy: number; readonly target: number }): number {
  const connections = Math.min(pools.legacy, pools.target) * SHARE_OF_A_POOL;
  return Math.max(1, Math.min(wished, Math.floor(connections / CONNECTIONS_A_CALL)));
}

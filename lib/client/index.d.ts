/** `pg` (a client, not a pool: one connection holds the transaction) and anything else that answers as it does. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<QueryAnswer>;
  /** Where BEGIN, COMMIT and ROLLBACK are not statements. */
  begin?(): Promise<unknown>;
  commit?(): Promise<unknown>;
  rollback?(): Promise<unknown>;
}

export interface QueryAnswer {
  // Whatever the driver makes of a column.
  // biome-ignore lint/suspicious/noExplicitAny: pg's own rows are any, and a stricter type would refuse its clients
  readonly rows: readonly any[];
  readonly rowCount?: number | null;
}

export interface CaptureOptions {
  /** Follows the write to the target: `crossfade trace <correlationId>`. At most 200 characters. */
  readonly correlationId?: string | undefined;
  /** True: a position also for a transaction that wrote only tables which triggers capture. One more round trip. */
  readonly position?: boolean | undefined;
}

export interface Move {
  /** The tenant of the rows before the statement: for UPDATE, and always for DELETE; not for INSERT. */
  readonly oldTenant?: string | undefined;
}

export interface CapturingTransaction {
  /** The connection's own query. A write to a table with `capture: client` must be followed by {@link capture}. */
  query(text: string, values?: unknown[]): Promise<QueryAnswer>;
  /**
   * One statement that ends with RETURNING and the key, and its capture.
   * @throws {CaptureError} when it returned fewer rows than it wrote
   */
  write(table: string, text: string, values?: unknown[], move?: Move): Promise<QueryAnswer>;
  /**
   * @param table as in the plan: `orders` or `sales.orders`
   * @param rows what RETURNING gave for the key: strings, exact numbers, booleans. A changed key: the old and the new one.
   * @returns the position so far
   */
  capture(table: string, rows: readonly object[], move?: Move): Promise<string | null>;
  /** Only with {@link joinTransaction}: call it before COMMIT. @throws {CaptureError} when a write was not captured */
  finish(): Promise<string | null>;
}

export interface Captured<T> {
  readonly result: T;
  /** What a reader demands to see its own write (`x-read-position`); null when nothing was captured. */
  readonly position: string | null;
}

/** Runs `work` in a transaction of its own: commits when it resolves, rolls back when it throws. */
export function withCapture<T>(
  client: Queryable,
  options: CaptureOptions,
  work: (tx: CapturingTransaction) => Promise<T>,
): Promise<Captured<T>>;

/** For a transaction that the caller began and commits. */
export function joinTransaction(client: Queryable, options?: CaptureOptions): Promise<CapturingTransaction>;

export class CaptureError extends Error {}

/** The Data API's four commands, each with cluster, secret and database added by the caller. */
export interface DataApiCommands {
  begin(input: object): Promise<{ readonly transactionId?: string | undefined }>;
  execute(input: {
    readonly sql: string;
    // biome-ignore lint/suspicious/noExplicitAny: the SDK's own unions, which this module does not import
    readonly parameters: any[];
    readonly includeResultMetadata: boolean;
    readonly resultSetOptions: { readonly longReturnType: 'STRING'; readonly decimalReturnType: 'STRING' };
    readonly transactionId?: string;
  }): Promise<{
    // biome-ignore lint/suspicious/noExplicitAny: as above
    readonly records?: any[][] | undefined;
    readonly columnMetadata?: { readonly label?: string | undefined; readonly name?: string | undefined }[] | undefined;
    readonly numberOfRecordsUpdated?: number | undefined;
  }>;
  commit(input: { readonly transactionId: string | undefined }): Promise<unknown>;
  rollback(input: { readonly transactionId: string | undefined }): Promise<unknown>;
}

/** One transaction at a time, as with a connection. */
export function overDataApi(api: DataApiCommands): Queryable;

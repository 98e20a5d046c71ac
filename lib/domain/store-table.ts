/** A table as one store's catalogue has it, in the terms that parity is judged by. */
export const COLUMN_FILLS = ['none', 'default', 'sequence', 'identity', 'identity-always', 'generated'] as const;
/** What fills a column that an INSERT leaves out. */
export type ColumnFill = (typeof COLUMN_FILLS)[number];

/** How the plan carries a column. */
export type ColumnPlanKind = 'mapped' | 'one-way' | 'target-owned' | 'dropped';

export interface StoreColumn {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly fill: ColumnFill;
  /** Text of the default or of the generated value. */
  readonly expression: string | null;
  /** null: the database's default. */
  readonly collation: string | null;
  readonly deterministic: boolean;
  readonly increment: string | null;
  /** Sequence behind a serial or identity column. */
  readonly sequence: string | null;
}

export interface TableIndex {
  readonly name: string;
  readonly unique: boolean;
  readonly primary: boolean;
  readonly exclusion: boolean;
  readonly valid: boolean;
  readonly method: string;
  readonly parts: readonly string[];
  readonly columns: readonly string[];
  readonly predicate: string | null;
  readonly nullsEqual: boolean;
  readonly partitioned: boolean;
  readonly bytes: number;
}

/** A foreign key. */
export interface TableLink {
  readonly name: string;
  readonly columns: readonly string[];
  /** `schema.relation`. */
  readonly parent: string;
  readonly parentColumns: readonly string[];
  readonly actions: string;
  readonly deferrable: boolean;
  readonly validated: boolean;
}

/** A check or exclusion. */
export interface TableRule {
  readonly name: string;
  readonly columns: readonly string[];
  readonly definition: string;
  readonly validated: boolean;
}

export interface StoreTable {
  /** As in the plan. */
  readonly name: string;
  readonly columns: readonly StoreColumn[];
  readonly indexes: readonly TableIndex[];
  readonly links: readonly TableLink[];
  readonly checks: readonly TableRule[];
  readonly types: readonly { readonly type: string; readonly kind: string; readonly members: readonly string[] }[];
  readonly triggers: readonly { readonly name: string; readonly enabled: string; readonly beforeRow: boolean }[];
  /** Flags and policies as one text; equal texts are equal rules. */
  readonly rowSecurity: string;
  readonly seesAll: boolean;
  readonly partitionKey: string | null;
  readonly unlogged: boolean;
  readonly estimatedRows: number;
  readonly bytes: number;
}

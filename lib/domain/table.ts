/**
 * A table under migration: the plan's words joined with both catalogues. Everything that builds SQL for a table works from
 * this shape, so nothing in the code knows any table by name.
 */
export interface Column {
  readonly name: string;
  /** As `format_type` prints it: `numeric(12,2)`, `text`, `timestamp with time zone`. */
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** GENERATED ALWAYS AS (...) STORED: never written. */
  readonly generated: boolean;
  /** `always` needs OVERRIDING SYSTEM VALUE and cannot be updated. */
  readonly identity: 'none' | 'always' | 'by default';
}

export interface KeyColumn {
  readonly name: string;
  readonly type: string;
  /** Not a text by its name and yet one: a domain over text, or a type that is stored as one (citext). */
  readonly isLikeText?: boolean | undefined;
}

export type TenantPath =
  | { readonly kind: 'none' }
  | { readonly kind: 'column'; readonly column: string }
  /** The parent's tenant, found by equality of this table's columns with the parent's. */
  | {
      readonly kind: 'parent';
      readonly parent: string;
      readonly on: readonly { readonly column: string; readonly parentColumn: string }[];
    };

/** One column of the receiving table and the expression over a source row `r` that fills it. */
export interface MappedColumn {
  readonly column: string;
  /** Type of the receiving column: both sides cast to it before they are compared. */
  readonly type: string;
  /** SQL over columns of the source row, qualified by nothing; evaluated in the source store. */
  readonly expression: string;
  /** Written on insert but never on update: GENERATED ALWAYS AS IDENTITY outside the key. */
  readonly insertOnly: boolean;
}

export interface MigratedTable {
  /** As in the plan, `orders` or `sales.orders`; the outbox and the applied log carry this name. */
  readonly name: string;
  readonly schema: string;
  readonly relation: string;
  /** Primary key columns in key order; the same names and types in both stores. */
  readonly key: readonly KeyColumn[];
  readonly tenant: TenantPath;
  readonly capture: 'trigger' | 'client';
  readonly legacyColumns: readonly Column[];
  readonly targetColumns: readonly Column[];
  /** Fills the target from a legacy row. */
  readonly forward: readonly MappedColumn[];
  /** Fills legacy from a target row. */
  readonly reverse: readonly MappedColumn[];
  readonly targetOwned: readonly string[];
  /** Target columns with `from` and no `back`. */
  readonly oneWay: readonly string[];
  readonly critical: readonly string[];
  readonly updatedAt: string | null;
  /** Foreign keys between migrated tables, in the target: children after parents. */
  readonly references: readonly string[];
}

export const NO_TENANT = '*';

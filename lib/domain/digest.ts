/** The forms of a digest and which of them a cycle uses (design §4). Pure; the SQL of a form is lib/sql/compare/fingerprint.ts. */
export const DIGEST_FORMS = ['fast', 'exact', 'md5'] as const;
/**
 * `fast` proves SQL equality (3.10 = 3.1, -0 = 0), `exact` proves representation by SHA-256, `md5` is the guide's hash made
 * safe against NULL and delimiters.
 */
export type DigestForm = (typeof DIGEST_FORMS)[number];

/** What a plan or a run asks for. `auto`: fast, and exact outside of windows for tables in which the fast form is blind to something (ADR 034). */
export const DIGEST_WISHES = ['auto', ...DIGEST_FORMS] as const;
export type DigestWish = (typeof DIGEST_WISHES)[number];

export const COMPARE_MODES = ['count', 'checksum', 'columns'] as const;
/** `count`: rows and critical columns; `checksum`: every compared column; `columns`: the same, always in the exact form. */
export type CompareMode = (typeof COMPARE_MODES)[number];

/** What the fingerprint of a row is made of. */
export interface Fingerprint {
  readonly form: DigestForm;
  /** `critical`: only the plan's critical columns, by value; the rows themselves are counted. */
  readonly columns: 'all' | 'critical';
}

export interface HashedTable {
  /** A probe showed that both servers hash every compared type of the table alike. */
  readonly hashesAlike: boolean;
  /** Columns in which the fast form takes some different values for equal. */
  readonly blindColumns: readonly string[];
  /** Only what changed is read, as often as a cycle: what it misses, a full pass finds. */
  readonly isWindow: boolean;
}

export function fingerprintFor(mode: CompareMode, wish: DigestWish, table: HashedTable): Fingerprint {
  if (mode === 'count') return { form: 'exact', columns: 'critical' };
  if (mode === 'columns') return { form: 'exact', columns: 'all' };
  const form = wish === 'auto' ? (!table.isWindow && table.blindColumns.length > 0 ? 'exact' : 'fast') : wish;
  return { form: form === 'fast' && !table.hashesAlike ? 'exact' : form, columns: 'all' };
}

/** Whether the fast form may come out of a wish, so that it is worth to ask the servers how they hash. */
export function mayBeFast(mode: CompareMode, wish: DigestWish): boolean {
  return mode === 'checksum' && (wish === 'fast' || wish === 'auto');
}

export function isCompareMode(text: string): text is CompareMode {
  return COMPARE_MODES.some((mode) => mode === text);
}

export function isDigestForm(text: string): text is DigestForm {
  return DIGEST_FORMS.some((form) => form === text);
}

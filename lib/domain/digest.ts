/** The forms of a digest and which of them a cycle uses (design §4). Pure; the SQL of a form is lib/sql/compare/fingerprint.ts. */
export const DIGEST_FORMS = ['fast', 'exact', 'md5'] as const;
/**
 * `fast` proves SQL equality (3.10 = 3.1, -0 = 0), `exact` proves representation by SHA-256, `md5` is the guide's hash made
 * safe against NULL and delimiters.
 */
export type DigestForm = (typeof DIGEST_FORMS)[number];

export const COMPARE_MODES = ['count', 'checksum', 'columns'] as const;
/** `count`: rows and critical columns; `checksum`: every compared column; `columns`: the same, always in the exact form. */
export type CompareMode = (typeof COMPARE_MODES)[number];

/** What the fingerprint of a row is made of. */
export interface Fingerprint {
  readonly form: DigestForm;
  /** `critical`: only the plan's critical columns, by value; the rows themselves are counted. */
  readonly columns: 'all' | 'critical';
}

/** @param hashesAlike whether a probe showed that both servers hash every compared type of the table alike. */
export function fingerprintFor(mode: CompareMode, wanted: DigestForm, hashesAlike: boolean): Fingerprint {
  if (mode === 'count') return { form: 'exact', columns: 'critical' };
  if (mode === 'columns') return { form: 'exact', columns: 'all' };
  return { form: wanted === 'fast' && !hashesAlike ? 'exact' : wanted, columns: 'all' };
}

export function isCompareMode(text: string): text is CompareMode {
  return COMPARE_MODES.some((mode) => mode === text);
}

export function isDigestForm(text: string): text is DigestForm {
  return DIGEST_FORMS.some((form) => form === text);
}

/** Why a read has no answer, in terms of what the caller may do; the handler makes an RFC 9457 problem of it. */
export const READ_PROBLEMS = ['unknown-table', 'bad-key', 'too-large', 'unavailable'] as const;
export type ReadProblemKind = (typeof READ_PROBLEMS)[number];

export class ReadProblem extends Error {
  override readonly name = 'ReadProblem';
  readonly kind: ReadProblemKind;

  constructor(kind: ReadProblemKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

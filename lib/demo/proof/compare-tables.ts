/** Walks two ordered streams side by side and says where they differ. Pure but for the streams. */
import type { TextRow } from './row-stream.ts';

export interface TableComparison {
  readonly legacyRows: number;
  readonly targetRows: number;
  readonly same: number;
  /** In legacy only. */
  readonly missing: number;
  /** In the target only. */
  readonly extra: number;
  readonly different: number;
  /** The first few, e.g. `different ["7"]`: keys, never values. */
  readonly examples: readonly string[];
}

export type RowSeen = (store: 'legacy' | 'target', row: TextRow) => void;

const MOST_EXAMPLES = 5;

export async function compareTables(
  legacy: AsyncGenerator<TextRow, void, void>,
  target: AsyncGenerator<TextRow, void, void>,
  seen: RowSeen = () => {},
): Promise<TableComparison> {
  const counts = { legacyRows: 0, targetRows: 0, same: 0, missing: 0, extra: 0, different: 0 };
  const examples: string[] = [];
  const note = (kind: 'missing' | 'extra' | 'different', key: string) => {
    counts[kind] += 1;
    if (examples.length < MOST_EXAMPLES) examples.push(`${kind} ${key}`);
  };
  const nextOf = async (store: 'legacy' | 'target') => {
    const { value } = await (store === 'legacy' ? legacy : target).next();
    if (value === undefined) return undefined;
    counts[`${store}Rows`] += 1;
    seen(store, value);
    return value;
  };
  let left = await nextOf('legacy');
  let right = await nextOf('target');
  while (left !== undefined || right !== undefined) {
    const order = orderOf(left, right);
    if (order < 0 && left !== undefined) {
      note('missing', left.key);
      left = await nextOf('legacy');
    } else if (order > 0 && right !== undefined) {
      note('extra', right.key);
      right = await nextOf('target');
    } else if (left !== undefined && right !== undefined) {
      if (left.state === right.state) counts.same += 1;
      else note('different', left.key);
      left = await nextOf('legacy');
      right = await nextOf('target');
    }
  }
  return { ...counts, examples };
}

/** As `COLLATE "C"` orders UTF-8: by bytes. An ended stream comes last. */
function orderOf(left: TextRow | undefined, right: TextRow | undefined): number {
  if (left === undefined) return right === undefined ? 0 : 1;
  if (right === undefined) return -1;
  return left.key === right.key ? 0 : Buffer.compare(Buffer.from(left.key), Buffer.from(right.key));
}

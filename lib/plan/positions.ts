/** Where in a YAML file a path of the plan stands. */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Pair } from 'yaml';
import type { Finding, PlanPath } from './findings.ts';

/** Both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The position of the value (or the key) at `path`; of the nearest mapping around it where it is absent, as a missing key is. */
export function locate(document: Document, lines: LineCounter, path: PlanPath, at: Finding['at']): Position {
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const [index, key] of path.entries()) {
    const held = resolveAlias(node, document);
    const pair = isMap(held) ? held.items.find((item) => keyOf(item) === String(key)) : undefined;
    const next = isSeq(held) && typeof key === 'number' ? held.items[key] : pair?.value;
    const keyOffset = offsetOf(pair?.key);
    if (pair === undefined && next === undefined) break;
    const isLast = index === path.length - 1;
    offset = (isLast && at === 'value' ? offsetOf(next) : undefined) ?? keyOffset ?? offsetOf(next) ?? offset;
    node = next;
  }
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function resolveAlias(node: unknown, document: Document): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function keyOf(pair: Pair): string {
  return String(isScalar(pair.key) ? pair.key.value : pair.key);
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

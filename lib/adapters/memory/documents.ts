/** DocumentStore in memory. Values pass through JSON, so what a caller keeps or changes is never what is stored. */
import type { DocumentKind, Documents } from '../../contracts/documents.ts';
import { type DocumentStore, type Expectation, type Stored, VersionConflict } from '../../ports/documents.ts';

interface Entry {
  readonly version: number;
  readonly json: string;
}

export function createMemoryDocuments(): DocumentStore {
  const kinds = new Map<DocumentKind, Map<string, Entry>>();
  const entriesOf = (kind: DocumentKind): Map<string, Entry> => {
    const known = kinds.get(kind) ?? new Map<string, Entry>();
    kinds.set(kind, known);
    return known;
  };
  const write = (kind: DocumentKind, id: string, value: unknown, expect: Expectation): number => {
    const current = entriesOf(kind).get(id)?.version;
    if (!holds(expect, current)) throw new VersionConflict(kind, id, expect);
    const version = (current ?? 0) + 1;
    entriesOf(kind).set(id, { version, json: JSON.stringify(value) });
    return version;
  };
  return {
    get: async (kind, id) => {
      const entry = entriesOf(kind).get(id);
      return entry === undefined ? undefined : parse<typeof kind>(id, entry);
    },
    put: async (kind, id, value, expect) => write(kind, id, value, expect),
    list: async (kind, { from, to, limit, descending = false } = {}) => {
      const stored = [...entriesOf(kind)]
        .filter(
          ([id]) => (from === undefined || compareIds(id, from) >= 0) && (to === undefined || compareIds(id, to) < 0),
        )
        .toSorted(([a], [b]) => (descending ? compareIds(b, a) : compareIds(a, b)))
        .map(([id, entry]) => parse<typeof kind>(id, entry));
      return limit === undefined ? stored : stored.slice(0, limit);
    },
    add: async (kind, id, numbers) => {
      const entry = entriesOf(kind).get(id);
      const sums: Record<string, number> = entry === undefined ? {} : JSON.parse(entry.json);
      for (const [name, number] of Object.entries(numbers)) sums[name] = (sums[name] ?? 0) + number;
      write(kind, id, sums, 'any');
    },
    remove: async (kind, id) => {
      entriesOf(kind).delete(id);
    },
  };
}

function holds(expect: Expectation, current: number | undefined): boolean {
  if (expect === 'any') return true;
  return expect === 'absent' ? current === undefined : current === expect;
}

/** By bytes, as DynamoDB orders sort keys. */
function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function parse<K extends DocumentKind>(id: string, entry: Entry): Stored<Documents[K]> {
  return { id, version: entry.version, value: JSON.parse(entry.json) as Documents[K] };
}

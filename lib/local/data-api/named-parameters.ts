/**
 * Named parameters of the Data API (`:name`) become the `$n` of PostgreSQL. A colon is no parameter inside strings, quoted
 * identifiers, comments and dollar quotes, in `::` and in `:=`.
 */
export interface PositionalSql {
  readonly text: string;
  /** `names[0]` is `$1`. A name used twice has one number. */
  readonly names: readonly string[];
}

/** Alternatives in the order in which they win; the last one is the only one that is replaced. */
const TOKENS = new RegExp(
  [
    /(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*'?/, // E'string' with backslashes
    /'(?:[^']|'')*'?/, // 'string'
    /"(?:[^"]|"")*"?/, // "identifier"
    /--[^\n]*/, // comment to the end of the line
    /\/\*/, // block comment: nested, so its end is found by counting
    /(?<![\w$])\$(?<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$/, // dollar quote: ends at the same tag
    /::|:=/,
    /:(?<name>[A-Za-z_]\w*)/,
  ]
    .map((token) => token.source)
    .join('|'),
  'g',
);

const CACHE_SIZE = 500;
const cache = new Map<string, PositionalSql>();

export function numberParameters(sql: string): PositionalSql {
  const known = cache.get(sql);
  if (known !== undefined) return known;
  const numbered = scan(sql);
  const oldest = cache.keys().next().value;
  if (cache.size >= CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
  cache.set(sql, numbered);
  return numbered;
}

function scan(sql: string): PositionalSql {
  const names: string[] = [];
  const tokens = new RegExp(TOKENS);
  let text = '';
  let copied = 0;
  for (let match = tokens.exec(sql); match !== null; match = tokens.exec(sql)) {
    const { tag, name } = match.groups ?? {};
    if (name !== undefined) {
      if (!names.includes(name)) names.push(name);
      text += `${sql.slice(copied, match.index)}$${names.indexOf(name) + 1}`;
      copied = tokens.lastIndex;
    } else if (tag !== undefined) {
      const end = sql.indexOf(`$${tag}$`, tokens.lastIndex);
      tokens.lastIndex = end < 0 ? sql.length : end + tag.length + 2;
    } else if (match[0] === '/*') {
      tokens.lastIndex = endOfComment(sql, tokens.lastIndex);
    }
  }
  return { text: text + sql.slice(copied), names };
}

function endOfComment(sql: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 1;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}

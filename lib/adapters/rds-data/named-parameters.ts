/** `$1` becomes `:p1`, except inside strings, quoted identifiers, comments and dollar quotes: function bodies keep their text. */
const TOKENS = new RegExp(
  [
    /(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*'/, // E'string' with backslashes
    /'(?:[^']|'')*'/, // 'string'
    /"(?:[^"]|"")*"/, // "identifier"
    /--[^\n]*/, // comment to the end of the line
    /\/\*/, // block comment: nested, so its end is found by counting
    /(?<![\w$])\$(?<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$/, // dollar quote: ends at the same tag
    /(?<![\w$])\$(?<number>\d+)/,
  ]
    .map((token) => token.source)
    .join('|'),
  'g',
);

/** Texts come from a closed set of builders, but identifiers of the plan make them many. */
const CACHE_SIZE = 500;
const cache = new Map<string, string>();

export function nameParameters(text: string): string {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const named = scan(text);
  const oldest = cache.keys().next().value;
  if (cache.size >= CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
  cache.set(text, named);
  return named;
}

function scan(sql: string): string {
  const tokens = new RegExp(TOKENS);
  let text = '';
  let copied = 0;
  for (let match = tokens.exec(sql); match !== null; match = tokens.exec(sql)) {
    const { tag, number } = match.groups ?? {};
    if (number !== undefined) {
      text += `${sql.slice(copied, match.index)}:p${number}`;
      copied = tokens.lastIndex;
    } else if (tag !== undefined) {
      const end = sql.indexOf(`$${tag}$`, tokens.lastIndex);
      tokens.lastIndex = end < 0 ? sql.length : end + tag.length + 2;
    } else if (match[0] === '/*') {
      tokens.lastIndex = endOfComment(sql, tokens.lastIndex);
    }
  }
  return text + sql.slice(copied);
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

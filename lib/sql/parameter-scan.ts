/** Finds parameters in SQL text: never inside strings, quoted identifiers, comments and dollar quotes. */
const LITERALS = [
  /(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*'?/, // E'string' with backslashes
  /'(?:[^']|'')*'?/, // 'string'
  /"(?:[^"]|"")*"?/, // "identifier"
  /--[^\n]*/, // comment to the end of the line
  /\/\*/, // block comment: nested, so its end is found by counting
  /(?<![\w$])\$(?<dollarTag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$/, // dollar quote: ends at the same tag
];

/**
 * @param parameter what to look for, with the named group `parameter`; matches without it are skipped over (`::`, `:=`).
 * @param replace makes the text that stands in place of a match.
 */
export function replaceParameters(sql: string, parameter: RegExp, replace: (parameter: string) => string): string {
  const tokens = new RegExp([...LITERALS, parameter].map((token) => token.source).join('|'), 'g');
  let text = '';
  let copied = 0;
  for (let match = tokens.exec(sql); match !== null; match = tokens.exec(sql)) {
    const { dollarTag, parameter: found } = match.groups ?? {};
    if (found !== undefined) {
      text += sql.slice(copied, match.index) + replace(found);
      copied = tokens.lastIndex;
    } else if (dollarTag !== undefined) {
      const end = sql.indexOf(`$${dollarTag}$`, tokens.lastIndex);
      tokens.lastIndex = end < 0 ? sql.length : end + dollarTag.length + 2;
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

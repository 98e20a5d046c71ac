/**
 * A first look at an SQL expression of the plan, so that a missing quote is refused with its line and not by the database. It
 * is no parser: whether columns exist and types fit is proved at baseline, against the catalogue.
 */
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']' };

/** What keeps `sql` from being one expression, or undefined. */
export function findExpressionFault(sql: string): string | undefined {
  if (sql.trim() === '') return 'this one is empty';
  if (sql.includes('\0')) return 'it holds a zero byte';
  const open: string[] = [];
  // Text and quoted names fall out first; what is left has no quotes where the expression is whole.
  const bare = sql.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, ' ');
  if (bare.includes("'") || bare.includes('"')) return 'a quote is not closed';
  if (bare.includes('--') || bare.includes('/*')) return 'comments are not allowed in it';
  if (bare.includes(';')) return 'a semicolon would end it';
  if (/(^|[^\w$])\$/.test(bare)) return 'parameters and dollar quotes are not allowed in it';
  for (const character of bare) {
    const closing = CLOSING[character];
    if (closing !== undefined) open.push(closing);
    else if ((character === ')' || character === ']') && open.pop() !== character)
      return `"${character}" closes nothing`;
  }
  return open.length === 0 ? undefined : `"${open.at(-1)}" is missing`;
}

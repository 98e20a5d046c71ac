/** The one place where identifiers and literals enter SQL text; values are parameters everywhere else. */
export function quoteIdentifier(name: string): string {
  if (name.includes('\0')) throw new RangeError('an SQL identifier cannot hold a zero byte');
  return `"${name.replaceAll('"', '""')}"`;
}

/** `schema.relation`, both quoted. */
export function quoteRelation(relation: { readonly schema: string; readonly relation: string }): string {
  return `${quoteIdentifier(relation.schema)}.${quoteIdentifier(relation.relation)}`;
}

/** For statements that take no parameters (CREATE ROLE, CREATE FUNCTION bodies). */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new RangeError('an SQL literal cannot hold a zero byte');
  const escaped = text.replaceAll("'", "''");
  return text.includes('\\') ? `E'${escaped.replaceAll('\\', '\\\\')}'` : `'${escaped}'`;
}

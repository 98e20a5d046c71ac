/**
 * The text of one member of a JSON object, with every digit of its numbers: `JSON.parse` makes doubles of them, and a bigint key
 * or a numeric amount would be tried with another value.
 */
export function memberText(json: string, name: string): string {
  const parsed = JSON.parse(json, keepDigits) as Readonly<Record<string, unknown>>;
  return JSON.stringify(parsed[name]);
}

/** Node 24 hands the source of a number to the reviver, and writes it back untouched (ECMAScript 2025, JSON.rawJSON). */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? rawJson(context.source) : value;
}

/** Not in the type library yet. */
function rawJson(source: string): unknown {
  return (JSON as unknown as { readonly rawJSON: (text: string) => unknown }).rawJSON(source);
}

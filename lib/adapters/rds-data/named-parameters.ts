/** `$1` becomes `:p1`, which is all that the Data API knows. */
import { replaceParameters } from '../../sql/parameter-scan.ts';

const POSITIONAL = /(?<![\w$])\$(?<parameter>\d+)/;

/** Texts come from a closed set of builders, but identifiers of the plan make them many. */
const CACHE_SIZE = 500;
const cache = new Map<string, string>();

export function nameParameters(text: string): string {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const named = replaceParameters(text, POSITIONAL, (number) => `:p${number}`);
  const oldest = cache.keys().next().value;
  if (cache.size >= CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
  cache.set(text, named);
  return named;
}

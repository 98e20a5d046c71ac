import { inPages } from '../../domain/chunk.ts';

/** json_build_array takes at most 100 arguments. */
const ARGUMENTS = 90;

/** SQL of a JSON list of texts; lists of lists, to be flattened, where there are more than one call takes. */
export function jsonList(texts: readonly string[]): string {
  if (texts.length <= ARGUMENTS) return `json_build_array(${texts.join(', ')})`;
  return jsonList(inPages(texts, ARGUMENTS).map(jsonList));
}

/** Named parameters of the Data API (`:name`) become the `$n` of PostgreSQL; `::` and `:=` are no parameters. */
import { replaceParameters } from '../../sql/parameter-scan.ts';

export interface PositionalSql {
  readonly text: string;
  /** `names[0]` is `$1`. A name used twice has one number. */
  readonly names: readonly string[];
}

const NAMED = /::|:=|:(?<parameter>[A-Za-z_]\w*)/;

export function numberParameters(sql: string): PositionalSql {
  const names: string[] = [];
  const text = replaceParameters(sql, NAMED, (name) => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return { text, names };
}

/** One SQL text and its parameters. Placeholders are `$1…`; arrays travel as JSON text and are unnested in SQL, because the Data API has no array parameters. */
export type SqlValue = string | number | bigint | boolean | null;

export interface Statement {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

/**
 * Rows tried one by one inside one statement: a failed statement ends a transaction for good (the Data API has no use for
 * savepoints), but a block's own exception handler does not. Rows go in and verdicts come out by settings of the transaction,
 * because a DO block has neither parameters nor a result.
 */
import type { MigratedTable } from '../../domain/table.ts';
import { quoteIdentifier, quoteRelation } from '../identifier.ts';
import { mappingOf } from '../row.ts';
import type { Statement } from '../statement.ts';
import { insertInto } from './insert-rows.ts';

export interface RefusedRow {
  readonly key: string;
  readonly state: string;
  /** PostgreSQL's message; values of the row are taken out of it. */
  readonly message: string;
}

/** Settings hold the rows until the transaction ends. */
export function handOverRows(rows: readonly { readonly row_key: string; readonly row: string | null }[]): Statement {
  const list = rows.map(({ row_key, row }) => `{"k":${JSON.stringify(row_key)},"r":${row ?? 'null'}}`);
  return {
    text: `SELECT set_config('crossfade.rows', $1::text, true) IS NOT NULL AS taken, set_config('crossfade.refused', '[]', true) AS refused`,
    values: [`[${list.join(',')}]`],
  };
}

export function tryRows(table: MigratedTable): Statement {
  const { head, tail } = insertInto(table);
  const names = mappingOf(table, 'forward').map(({ column }) => `m.${quoteIdentifier(column)}`);
  const relation = quoteRelation(table);
  const insert = (rows: string) =>
    `${head} SELECT ${names.join(', ')} FROM ${rows} CROSS JOIN LATERAL json_populate_record(NULL::${relation}, sent.item -> 'r') AS m ${tail}`;
  return {
    text: `
DO $crossfade$
#variable_conflict use_column
DECLARE
  crossfade_waiting json = current_setting('crossfade.rows')::json;
  crossfade_refused jsonb;
  crossfade_one record;
  crossfade_said text;
  crossfade_code text;
BEGIN
  BEGIN
    ${insert('json_array_elements(crossfade_waiting) AS sent(item)')};
    RETURN;
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  LOOP
    crossfade_refused = '[]';
    FOR crossfade_one IN SELECT item FROM json_array_elements(crossfade_waiting) AS listed(item) LOOP
      BEGIN
        ${insert('(SELECT crossfade_one.item) AS sent(item)')};
      EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS crossfade_said = MESSAGE_TEXT, crossfade_code = RETURNED_SQLSTATE;
        crossfade_refused = crossfade_refused || jsonb_build_object('key', crossfade_one.item ->> 'k', 'state', crossfade_code, 'message',
          CASE left(crossfade_code, 2) WHEN '23' THEN crossfade_said WHEN '22' THEN regexp_replace(crossfade_said, '".*"', '(value withheld)') WHEN '42' THEN crossfade_said
            ELSE 'its message is withheld' END);
      END;
    END LOOP;
    -- Rows that point to rows of the same table succeed once those are in; what a whole round did not move is refused.
    EXIT WHEN jsonb_array_length(crossfade_refused) = 0 OR jsonb_array_length(crossfade_refused) = json_array_length(crossfade_waiting);
    SELECT json_agg(item) INTO crossfade_waiting FROM json_array_elements(crossfade_waiting) AS listed(item)
    WHERE item ->> 'k' IN (SELECT one ->> 'key' FROM jsonb_array_elements(crossfade_refused) AS one);
  END LOOP;
  PERFORM set_config('crossfade.refused', crossfade_refused::text, true);
END
$crossfade$`,
    values: [],
  };
}

export const refusedRows: Statement = { text: `SELECT current_setting('crossfade.refused') AS refused`, values: [] };

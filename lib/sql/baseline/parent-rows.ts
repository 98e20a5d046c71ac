import type { TableLink } from '../../domain/store-table.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { quoteLiteral, quoteRelation } from '../identifier.ts';
import { mappedJson, mappingOf, rowKeyOf, type TablesByName, tenantOf } from '../row.ts';
import type { Statement } from '../statement.ts';

/**
 * Legacy rows of `parent` that rows of a child point to, as the target would hold them. `children` are rows in the target's
 * shape. undefined: the foreign key goes to a column that legacy does not fill.
 */
export function parentRows(
  parent: MigratedTable,
  tables: TablesByName,
  link: TableLink,
  children: readonly string[],
): Statement | undefined {
  const matches = link.columns.map((column, index) => {
    const filled = mappingOf(parent, 'forward').find((candidate) => candidate.column === link.parentColumns[index]);
    return filled === undefined
      ? undefined
      : `(${filled.expression}) = (child.sent ->> ${quoteLiteral(column)})::${filled.type}`;
  });
  if (matches.includes(undefined)) return undefined;
  return {
    text: `
SELECT DISTINCT ON (found.row_key) found.row_key, found.tenant, octet_length(found.row) AS bytes, found.row
FROM json_array_elements($1::json) AS child(sent)
CROSS JOIN LATERAL (
  SELECT ${rowKeyOf(parent, 'r')} AS row_key, ${tenantOf(parent, tables, 'r')} AS tenant, ${mappedJson(parent, 'forward', 'r')}::text AS row
  FROM ${quoteRelation(parent)} AS r WHERE ${matches.join(' AND ')}
) AS found
ORDER BY found.row_key`,
    values: [`[${children.join(',')}]`],
  };
}

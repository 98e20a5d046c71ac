/** The fence of one table: a trigger that raises, whose creation waits for the writers already in it (protocol §9). */
import { quoteIdentifier, quoteLiteral, quoteRelation } from '../identifier.ts';
import type { Statement } from '../statement.ts';

export const FENCE_TRIGGER = 'crossfade_fence';

interface Relation {
  readonly schema: string;
  readonly relation: string;
}

/** @param pass roles that may still write: Crossfade's appliers. */
export function fenceTable(table: Relation, pass: readonly string[]): readonly Statement[] {
  const relation = quoteRelation(table);
  return [
    {
      text: `CREATE OR REPLACE TRIGGER ${FENCE_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${relation} FOR EACH STATEMENT EXECUTE FUNCTION crossfade.refuse_write(${pass.map(quoteLiteral).join(', ')})`,
      values: [],
    },
    { text: `ALTER TABLE ${relation} ENABLE ALWAYS TRIGGER ${FENCE_TRIGGER}`, values: [] },
  ];
}

export function unfenceTable(table: Relation): Statement {
  return { text: `DROP TRIGGER IF EXISTS ${quoteIdentifier(FENCE_TRIGGER)} ON ${quoteRelation(table)}`, values: [] };
}

/** What install wrote into the schema, remembered by hash, so that a function that was replaced since is noticed. */
import type { Statement } from '../statement.ts';

/** Everything of a function that decides what it does and as whom; none of it depends on who asks. */
const DEFINITION = `md5(concat_ws('|', p.prosrc, p.prosecdef, p.proconfig::text, p.provolatile, p.prolang, pg_get_userbyid(p.proowner)))`;

/** Call it in the transaction that has just written them: it takes what is there for what should be there. */
export function rememberFunctions(names: readonly string[]): Statement {
  return {
    text: `
INSERT INTO crossfade.installed (object, hash)
SELECT p.proname::text, ${DEFINITION} FROM pg_proc AS p
WHERE p.pronamespace = 'crossfade'::regnamespace AND p.proname IN (SELECT json_array_elements_text($1::json)::name)
ON CONFLICT (object) DO UPDATE SET hash = excluded.hash, at = clock_timestamp() WHERE crossfade.installed.hash <> excluded.hash`,
    values: [JSON.stringify(names)],
  };
}

/** Whoever removes capture removes its functions, which then are not missing. */
export const forgetMissingFunctions: Statement = {
  text: `
DELETE FROM crossfade.installed AS i
WHERE NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = 'crossfade'::regnamespace AND p.proname = i.object)`,
  values: [],
};

export interface ChangedFunctionRow {
  readonly object: string;
  readonly missing: boolean;
}

export const changedFunctions: Statement = {
  text: `
SELECT i.object, p.oid IS NULL AS missing
FROM crossfade.installed AS i LEFT JOIN pg_proc AS p ON p.pronamespace = 'crossfade'::regnamespace AND p.proname = i.object
WHERE p.oid IS NULL OR i.hash <> ${DEFINITION}
ORDER BY 1`,
  values: [],
};

/** Names of the functions that statements create, as `pg_proc` has them. */
export function namesOfFunctions(statements: readonly Statement[]): readonly string[] {
  return statements.flatMap(({ text }) => {
    const created = /CREATE OR REPLACE FUNCTION crossfade\.(?:"(?<quoted>(?:[^"]|"")+)"|(?<plain>\w+))\s*\(/.exec(text);
    const name = created?.groups?.quoted?.replaceAll('""', '"') ?? created?.groups?.plain;
    return name === undefined ? [] : [name];
  });
}

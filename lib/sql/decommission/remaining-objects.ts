import type { Statement } from '../statement.ts';

export interface RemainingObjectRow {
  readonly kind: 'schema' | 'trigger' | 'index';
  readonly name: string;
}

/** What Crossfade made in a store and is still there. */
export const remainingObjects: Statement = {
  text: `
SELECT 'schema' AS kind, 'crossfade (' || (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r') || ' tables)' AS name FROM pg_namespace n WHERE n.nspname = 'crossfade'
UNION ALL
SELECT 'trigger', t.tgname || ' on ' || n.nspname || '.' || c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgname LIKE 'crossfade\\_%'
UNION ALL
SELECT 'index', n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'i' AND c.relname LIKE 'crossfade\\_%' AND n.nspname <> 'crossfade'
ORDER BY 1, 2`,
  values: [],
};

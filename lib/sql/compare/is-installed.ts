import type { Statement } from '../statement.ts';

export interface InstalledRow {
  readonly installed: boolean;
}

/** Through the catalogue, which every role may read: a name would need the right to use the schema. */
export const isInstalled: Statement = {
  text: `SELECT EXISTS (
  SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'crossfade' AND c.relname = 'control'
) AS installed`,
  values: [],
};

import type { Statement } from '../statement.ts';

export const crossfadeSchemaExists: Statement = {
  text: `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'crossfade') AS exists`,
  values: [],
};

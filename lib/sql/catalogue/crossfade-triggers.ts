import type { Statement } from '../statement.ts';

export interface TriggerRow {
  readonly schema: string;
  readonly relation: string;
  readonly trigger: string;
  /** `A`: ENABLE ALWAYS, as Crossfade installs them; anything else has been tampered with. */
  readonly enabled: string;
}

/** Crossfade's triggers as they are now, to notice capture or a fence that somebody disabled. */
export const crossfadeTriggers: Statement = {
  text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, t.tgname::text AS trigger, t.tgenabled::text AS enabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgname IN ('crossfade_capture', 'crossfade_truncate', 'crossfade_fence', 'crossfade_cascade')
ORDER BY 1, 2, 3`,
  values: [],
};

import type { Statement } from '../statement.ts';

export interface TriggerRow {
  readonly schema: string;
  readonly relation: string;
  readonly trigger: string;
  /** `A`: ENABLE ALWAYS, as Crossfade installs them; anything else has been tampered with. */
  readonly enabled: string;
  /** Function that it calls, e.g. `crossfade.refuse_write`. */
  readonly function: string;
  /** Its arguments as a JSON list. */
  readonly arguments: string;
  /** Whether it fires for every row or statement: no WHEN, no list of columns. */
  readonly unconditional: boolean;
}

/** Crossfade's triggers as they are now, to notice capture or a fence that somebody disabled. */
export const crossfadeTriggers: Statement = {
  text: `
SELECT n.nspname::text AS schema, c.relname::text AS relation, t.tgname::text AS trigger, t.tgenabled::text AS enabled,
       fn.nspname || '.' || f.proname AS function,
       array_to_json((string_to_array(encode(t.tgargs, 'escape'), '\\000'))[1 : t.tgnargs])::text AS arguments,
       t.tgqual IS NULL AND t.tgattr::text = '' AS unconditional
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_namespace fn ON fn.oid = f.pronamespace
WHERE t.tgname IN ('crossfade_capture', 'crossfade_truncate', 'crossfade_fence', 'crossfade_cascade', 'crossfade_witness', 'crossfade_witness_truncate')
ORDER BY 1, 2, 3`,
  values: [],
};

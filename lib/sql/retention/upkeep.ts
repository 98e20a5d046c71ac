/** What a chore remembers in the store that it works on: a JSON text by the chore's name. */
import type { Statement } from '../statement.ts';

export interface UpkeepRow {
  readonly state: string;
}

export function readUpkeep(name: string): Statement {
  return { text: 'SELECT state FROM crossfade.upkeep WHERE name = $1::text', values: [name] };
}

export function saveUpkeep(name: string, state: unknown): Statement {
  return {
    text: `
INSERT INTO crossfade.upkeep (name, state) VALUES ($1::text, $2::text)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, at = clock_timestamp()`,
    values: [name, JSON.stringify(state)],
  };
}

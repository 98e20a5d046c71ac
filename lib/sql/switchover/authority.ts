import type { Direction } from '../../domain/direction.ts';
import type { Statement } from '../statement.ts';

export interface AuthorityRow {
  readonly authority: string;
  readonly direction: Direction;
}

export const readAuthority: Statement = {
  text: 'SELECT authority::text AS authority, direction FROM crossfade.control',
  values: [],
};

/** Waits for applies in flight, which hold the row FOR SHARE; later ones that carry an older number are refused. Never goes back. */
export function moveAuthority(authority: string, direction: Direction): Statement {
  return {
    text: 'UPDATE crossfade.control SET authority = $1::bigint, direction = $2::text WHERE authority < $1::bigint RETURNING authority::text AS authority, direction',
    values: [authority, direction],
  };
}

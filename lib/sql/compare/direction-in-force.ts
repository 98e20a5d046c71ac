import type { Direction } from '../../domain/direction.ts';
import type { Statement } from '../statement.ts';

export interface ControlRow {
  readonly authority: string;
  readonly direction: Direction;
}

/** Who a store believes to be authoritative. Both stores agree except in the moment of a switchover. */
export const directionInForce: Statement = {
  text: 'SELECT authority::text AS authority, direction FROM crossfade.control',
  values: [],
};

import type { Direction } from '../../domain/direction.ts';
import type { Statement } from '../statement.ts';

export interface DirectionRow {
  readonly direction: Direction;
}

/** Which way rows are carried, as a store itself remembers it: `reverse` once write authority has moved. */
export const directionInForce: Statement = { text: 'SELECT direction FROM crossfade.control', values: [] };

import type { Statement } from '../statement.ts';

export const anyDead: Statement = {
  text: `SELECT EXISTS (SELECT FROM crossfade.outbox WHERE state = 'dead') AS any_dead`,
  values: [],
};

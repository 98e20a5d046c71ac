import type { Statement } from '../statement.ts';

/** The least that a store which works can do. Takes no lock, so nobody's row holds it up. */
export const probeStore: Statement = { text: 'SELECT authority::text FROM crossfade.control WHERE one', values: [] };

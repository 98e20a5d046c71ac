import type { ExplainedPayload } from '../../application/operate/explain-parked.ts';
import type { Paint } from '../terminal.ts';
import { table, time, who } from './layout.ts';

export function renderExplained({ explained }: ExplainedPayload, paint: Paint): string {
  const rows = explained.map(({ direction, seq, by, at, why }) => [direction, seq, who(by), time(at), why]);
  return table(paint, ['direction', 'seq', 'by', 'at', 'why'], rows);
}

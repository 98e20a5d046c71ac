import type { HerePayload } from '../../application/reconcile/compare-here.ts';
import type { Paint } from '../terminal.ts';
import { stack, table } from './layout.ts';

/** Rows drawn; the others with --json. */
const MOST = 50;

export function renderHere(payload: HerePayload, paint: Paint): string {
  const { outcome, reasons, tables, rows, drift, inFlight, unsettled, unread } = payload;
  if (outcome === 'refused') return stack(paint.red('refused'), reasons.map((reason) => `- ${reason}`).join('\n'));
  const others = `${inFlight} in flight, ${unsettled} unsettled${unread > 0 ? `, ${unread} parts not read` : ''}`;
  const counted = `${drift.length} of ${rows} rows differ; ${others}; nothing was recorded`;
  const listed = drift.slice(0, MOST).map((row) => [row.table, row.rowKey, row.kind, row.columns.join(', ') || '-']);
  return stack(
    outcome === 'passed' ? paint.green(counted) : paint.yellow(counted),
    table(
      paint,
      ['table', 'rows', 'chunks', 'left out'],
      tables.map((each) => [each.table, String(each.rows), String(each.chunks), String(each.leftOut)]),
    ),
    listed.length === 0 ? '' : table(paint, ['table', 'key', 'kind', 'columns'], listed),
    drift.length > MOST ? `and ${drift.length - MOST} more rows (--json has all of them)` : '',
    reasons.map((reason) => `- ${reason}`).join('\n'),
  );
}

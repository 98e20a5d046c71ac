import type { HerePayload } from '../../application/reconcile/compare-here.ts';
import type { ShownValues } from '../../application/reconcile/show-values.ts';
import { counted } from '../../domain/counted.ts';
import type { Paint } from '../terminal.ts';
import { section, stack, table, wrap } from './layout.ts';

/** Rows drawn; the others with --json. */
const MOST = 50;

export function renderHere(payload: HerePayload, paint: Paint): string {
  const { outcome, reasons, notes, values, tables, rows, drift, inFlight, unsettled, unread } = payload;
  if (outcome === 'refused')
    return stack(paint.red('refused'), reasons.map((reason) => wrap(`- ${reason}`)).join('\n'));
  const others = `${inFlight} in flight, ${unsettled} unsettled${unread > 0 ? `, ${unread} parts not read` : ''}`;
  const verdict = wrap(
    rows === 0 && drift.length + inFlight + unsettled + unread === 0
      ? 'no row was compared, so nothing is proved: what was asked for has none; --scope full reads everything'
      : `${drift.length} of ${counted(rows, 'row')} ${rows === 1 ? 'differs' : 'differ'}; ${others}; nothing was recorded`,
  );
  const listed = drift.slice(0, MOST).map((row) => [row.table, row.rowKey, row.kind, row.columns.join(', ') || '-']);
  return stack(
    outcome === 'passed' && rows > 0 ? paint.green(verdict) : paint.yellow(verdict),
    table(
      paint,
      ['table', 'rows', 'chunks', 'left out'],
      tables.map((each) => [each.table, String(each.rows), String(each.chunks), String(each.leftOut)]),
    ),
    listed.length === 0 ? '' : table(paint, ['table', 'key', 'kind', 'columns'], listed),
    drift.length > MOST ? `and ${counted(drift.length - MOST, 'more row')} (--json has all of them)` : '',
    values === undefined ? '' : renderValues(values, paint),
    [...notes, ...reasons].map((reason) => wrap(`- ${reason}`)).join('\n'),
  );
}

/** What a row holds in each store, at the moment at which it was read. */
export function renderValues({ rows, more }: ShownValues, paint: Paint): string {
  if (rows.length === 0) return '';
  const lines = rows.flatMap(({ table: name, rowKey, columns, isIn }) =>
    columns.map(({ column, ...values }) => [
      `${name} ${rowKey}`,
      column,
      isIn.includes('legacy') ? quote(values.legacy) : '-',
      isIn.includes('target') ? quote(values.target) : '-',
    ]),
  );
  const cut = rows.reduce((sum, { moreColumns }) => sum + moreColumns, 0);
  return section(
    paint,
    'Values',
    stack(
      table(paint, ['row', 'column', 'legacy', 'target'], lines),
      more + cut === 0 ? '' : `left out: ${counted(more, 'row')}, ${counted(cut, 'column')}`,
    ),
  );
}

/** JSON, so that no value can pass for NULL or steer the terminal. */
function quote(value: string | null): string {
  return value === null ? 'NULL' : JSON.stringify(value);
}

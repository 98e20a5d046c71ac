import type { UndoPayload } from '../../application/operate/undo.ts';
import type { UndoOutcome } from '../../contracts/undo.ts';
import type { Paint } from '../terminal.ts';
import { facts, stack, table } from './layout.ts';

const WOULD: Readonly<Record<UndoOutcome, string>> = {
  erased: 'would be erased',
  restored: 'would be restored',
  'read-afresh': 'would be read afresh',
  left: 'would be left',
};

export function renderUndo({ correlationId, dryRun, rows, truncated }: UndoPayload, paint: Paint): string {
  const lines = rows.map(({ table: name, rowKey, tenant, outcome, detail }) => [
    `${name} ${rowKey}`,
    tenant ?? '',
    dryRun ? WOULD[outcome] : outcome,
    detail,
  ]);
  return stack(
    facts(paint, [
      ['writes of', correlationId],
      ['more', truncated ? `there are more rows; ${dryRun ? 'they come after these' : 'run it again'}` : null],
    ]),
    table(paint, ['row', 'tenant', 'outcome', ''], lines),
  );
}

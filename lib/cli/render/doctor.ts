import type { DoctorPayload } from '../../application/operate/doctor.ts';
import type { CheckResult } from '../../application/operate/doctor-check.ts';
import type { Paint } from '../terminal.ts';
import { stack, table } from './layout.ts';

const MARKS: Readonly<
  Record<CheckResult, { readonly word: string; readonly colour: 'green' | 'yellow' | 'red' | 'dim' }>
> = {
  ok: { word: 'ok', colour: 'green' },
  warning: { word: 'warn', colour: 'yellow' },
  failed: { word: 'FAIL', colour: 'red' },
  skipped: { word: 'skip', colour: 'dim' },
};

export function renderDoctor({ plan, healthy, checks }: DoctorPayload, paint: Paint): string {
  const rows = checks.map(({ check, result, says }) => [paint[MARKS[result].colour](MARKS[result].word), check, says]);
  const count = (result: CheckResult) => checks.filter((each) => each.result === result).length;
  const verdict = healthy ? paint.green('healthy') : paint.red('not healthy');
  return stack(
    table(paint, ['', 'check', 'seen'], rows),
    `${plan}: ${verdict}, ${count('failed')} failed, ${count('warning')} warnings of ${checks.length} checks`,
  );
}

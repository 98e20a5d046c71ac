import type { DoctorPayload } from '../../application/operate/doctor.ts';
import type { CheckResult } from '../../application/operate/doctor-check.ts';
import { counted } from '../../domain/counted.ts';
import type { Paint } from '../terminal.ts';
import { pageWidth, stack, wrap } from './layout.ts';

const MARKS: Readonly<
  Record<CheckResult, { readonly word: string; readonly colour: 'green' | 'yellow' | 'red' | 'dim' }>
> = {
  ok: { word: 'ok', colour: 'green' },
  warning: { word: 'warn', colour: 'yellow' },
  failed: { word: 'FAIL', colour: 'red' },
  skipped: { word: 'skip', colour: 'dim' },
};
const MARK_WIDTH = 6;

export function renderDoctor({ plan, healthy, checks }: DoctorPayload, paint: Paint): string {
  const width = Math.max(...checks.map(({ check }) => check.length)) + 2;
  const lines = checks.map(({ check, result, says }) => {
    const { word, colour } = MARKS[result];
    const head = `${paint[colour](word)}${' '.repeat(MARK_WIDTH - word.length)}${check}`;
    return `${head}${besideOrBeneath(says, width - check.length, MARK_WIDTH + width, pageWidth(paint))}`;
  });
  const count = (result: CheckResult) => checks.filter((each) => each.result === result).length;
  const verdict = healthy ? paint.green('healthy') : paint.red('not healthy');
  const counts = `${count('failed')} failed, ${counted(count('warning'), 'warning')} of ${checks.length} checks`;
  return stack(lines.join('\n'), `${plan}: ${verdict}, ${counts}`);
}

/** Names of resources are long, and there to be copied: what holds one goes beneath its check, unbroken. */
function besideOrBeneath(says: string, gap: number, column: number, page: number): string {
  const isLong = says.split(' ').some((word) => column + word.length > page);
  const from = isLong ? MARK_WIDTH : column;
  const text = wrap(says, page - from).replaceAll('\n', `\n${' '.repeat(from)}`);
  return isLong ? `\n${' '.repeat(from)}${text}` : `${' '.repeat(gap)}${text}`;
}

import type { DriftExplainPayload, DriftShowPayload, DriftStatusPayload } from '../../application/operate/drift.ts';
import type { DriftClock } from '../../application/operate/drift-clock.ts';
import { formatSpan } from '../../application/operate/format-span.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, table, time } from './layout.ts';

export function renderDriftStatus(
  { clock, alert, openDifferences, tables, numbersFrom }: DriftStatusPayload,
  paint: Paint,
): string {
  const rows = tables.map((each) => [
    each.table,
    String(each.rows),
    `${each.drift.missing} / ${each.drift.extra} / ${each.drift.different}`,
    String(each.repaired),
    String(each.inFlight),
    String(each.unsettled),
    String(each.leftOut),
  ]);
  return stack(
    facts(paint, [
      ['clock', clockText(clock, paint)],
      ['last cycle', lastCycleText(clock)],
      [
        'in the window',
        clock.cycles === 0
          ? null
          : `${clock.drift} of ${clock.rows} rows drifted, at most ${clock.upperBoundPercent.toPrecision(3)} % with 95 % confidence`,
      ],
      [
        'alert',
        `${clock.alertFiring ? paint.red('fires') : 'quiet'} (above ${alert.driftPercent} % for ${alert.cycles} cycles)`,
      ],
      ['open differences', String(openDifferences)],
      ['limits from', numbersFrom === 'plan' ? 'the deployed plan' : 'the guide (no run has recorded the plan yet)'],
    ]),
    section(paint, 'why the gate refuses', clock.reasons.map((reason) => `- ${reason}`).join('\n')),
    rows.length === 0
      ? ''
      : section(
          paint,
          'last cycle by table',
          table(
            paint,
            ['table', 'rows', 'missing / extra / different', 'repaired', 'in flight', 'unsettled', 'left out'],
            rows,
          ),
        ),
  );
}

export function clockText(clock: DriftClock, paint: Paint): string {
  if (clock.last === null) return 'no cycle is on record';
  if (clock.cycles === 0) return `does not run: ${clock.reasons[0] ?? 'no cycle counts'}`;
  const limit = clock.thresholdPercent === 0 ? 'without any drift' : `below ${clock.thresholdPercent} %`;
  const text = `clean for ${formatSpan(clock.cleanMs)} of ${formatSpan(clock.neededMs)} ${limit}, ${clock.cycles} cycles`;
  return clock.pass ? paint.green(`passes: ${text}`) : text;
}

function lastCycleText({ last }: DriftClock): string | null {
  if (last === null) return null;
  return `${time(last.startedAt)}, ${last.mode} ${last.scopeKind}: ${last.drift} of ${last.rows} rows drifted (${last.driftPercent} %)`;
}

export function renderDriftShow({ total, differences }: DriftShowPayload, paint: Paint): string {
  if (total === 0) return 'no open difference';
  const rows = differences.map((each) => [
    each.table,
    each.rowKey,
    each.tenant ?? '-',
    each.kind,
    each.columns.join(', ') || '-',
    time(each.foundAt),
  ]);
  const count = total === 1 ? '1 open difference' : `${total} open differences`;
  const shown = differences.length < total ? `, ${differences.length} shown` : '';
  return stack(
    paint.yellow(`${count}${shown}`),
    table(paint, ['table', 'key', 'tenant', 'kind', 'columns', 'found'], rows),
  );
}

export function renderDriftExplain({ difference, meaning, likely, repair }: DriftExplainPayload, paint: Paint): string {
  return stack(
    `${paint.bold(difference.table)} ${difference.rowKey}: ${paint.yellow(difference.kind)}`,
    facts(paint, [
      ['means', meaning],
      ['columns', difference.columns.join(', ') || null],
      ['tenant', difference.tenant],
      ['found', `${time(difference.foundAt)}, cycle ${difference.cycle}`],
      ['repaired', difference.repairedAt === undefined ? null : time(difference.repairedAt)],
      ['likely from', likely],
      ['repair', repair],
    ]),
  );
}

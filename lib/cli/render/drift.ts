import type { DriftExplainPayload, DriftShowPayload, DriftStatusPayload } from '../../application/operate/drift.ts';
import type { DriftClock } from '../../application/operate/drift-clock.ts';
import { formatSpan } from '../../application/operate/format-span.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, table, time } from './layout.ts';

export function renderDriftStatus({ clock, alert, openDifferences, tables, numbersFrom }: DriftStatusPayload, paint: Paint): string {
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
      ['alert', alert.firing ? paint.red(`fires: above ${alert.percent} % for ${clock.cyclesAboveAlert} cycles`) : `quiet (above ${alert.percent} % for ${alert.cycles} cycles)`],
      ['open differences', String(openDifferences)],
      ['limits from', numbersFrom === 'plan' ? 'the deployed plan' : 'the guide (no run has recorded the plan yet)'],
    ]),
    rows.length === 0 ? '' : section(paint, 'last cycle by table', table(paint, ['table', 'rows', 'missing / extra / different', 'repaired', 'in flight', 'unsettled', 'left out'], rows)),
  );
}

export function clockText(clock: DriftClock, paint: Paint): string {
  if (clock.last === null) return 'no cycle is on record';
  if (clock.complete) return paint.green(`complete: clean for ${formatSpan(clock.cleanForMs)} of ${formatSpan(clock.neededMs)}`);
  const hints = [...(clock.hasFullPass ? [] : ['no full pass yet']), ...(clock.silent ? [paint.red('cycles have stopped')] : [])];
  return `clean for ${formatSpan(clock.cleanForMs)} of ${formatSpan(clock.neededMs)} below ${clock.limitPercent} %, ${clock.cleanCycles} cycles${hints.length === 0 ? '' : `; ${hints.join(', ')}`}`;
}

function lastCycleText({ last }: DriftClock): string | null {
  if (last === null) return null;
  return `${time(last.startedAt)}, ${last.mode} ${last.scopeKind}: ${last.drift} of ${last.rows} rows drifted (${last.driftPercent} %, at most ${last.upperBoundPercent} % with 95 % confidence)`;
}

export function renderDriftShow({ total, differences }: DriftShowPayload, paint: Paint): string {
  if (total === 0) return 'no open difference';
  const rows = differences.map((each) => [each.table, each.rowKey, each.tenant ?? '-', each.kind, each.columns.join(', ') || '-', time(each.foundAt)]);
  const count = total === 1 ? '1 open difference' : `${total} open differences`;
  const shown = differences.length < total ? `, ${differences.length} shown` : '';
  return stack(paint.yellow(`${count}${shown}`), table(paint, ['table', 'key', 'tenant', 'kind', 'columns', 'found'], rows));
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

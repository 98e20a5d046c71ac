/** Drift for a terminal of 80 columns: what is long is bounded here, and whole with --json. */
import type {
  DriftReportPayload,
  DriftShowPayload,
  DriftStatusPayload,
  ShownDifference,
} from '../../application/operate/drift.ts';
import type { DriftClock } from '../../application/operate/drift-clock.ts';
import { formatSpan } from '../../application/operate/format-span.ts';
import { counted } from '../../domain/counted.ts';
import type { SubjectClock } from '../../domain/drift-clocks.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, table, time, wrap } from './layout.ts';

/** Tables, and tenants, that are drawn. */
const MOST_CLOCKS = 10;
const MOST_REASONS = 9;

export function renderDriftStatus(payload: DriftStatusPayload, paint: Paint): string {
  const { clock, alert, openDifferences, tables, tableClocks, tenantClocks, numbersFrom } = payload;
  const rows = tables
    .slice(0, MOST_CLOCKS)
    .map((each) => [
      cut(each.table, 12),
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
      ['', payload.mode === 'count' ? 'the plan compares by count, which runs no clock' : null],
      ['progress', clock.last === null ? null : progressBar(clock, paint)],
      ['earliest', clock.pass || clock.earliestAt === null ? null : `${time(clock.earliestAt)}, if all stays clean`],
      ['last cycle', lastCycleText(clock)],
      ['', lastCycleRows(clock)],
      ['next cycle', nextCycleText(clock, payload.at, paint)],
      ['in the window', windowText(clock)],
      ['', clock.cycles === 0 ? null : `at most ${percent(clock.upperBoundPercent)} with 95 % confidence`],
      ['alert', alertText(clock, alert, paint)],
      ['open differences', String(openDifferences)],
      ['limits from', numbersFrom === 'plan' ? 'the deployed plan' : 'the guide (no run has recorded the plan yet)'],
      ['report', payload.report === null ? null : `${payload.report} in the bucket; or: drift report --out drift.html`],
    ]),
    section(paint, 'why the gate refuses', reasonsText(clock.reasons)),
    section(paint, 'what starts the clock again', clock.last === null ? '' : restartText(clock)),
    clocksSection('clocks by table', 'table', tableClocks, paint),
    clocksSection('clocks by tenant', 'tenant', tenantClocks, paint),
    rows.length === 0
      ? ''
      : section(
          paint,
          'last cycle by table',
          stack(
            table(paint, ['table', 'rows', 'mis / ext / dif', 'repaired', 'in flight', 'unsettled', 'left out'], rows),
            beyond(tables.length, 'table'),
          ),
        ),
  );
}

export function clockText(clock: DriftClock, paint: Paint): string {
  if (clock.last === null) return 'no cycle is on record';
  if (clock.cycles === 0) return (clock.reasons[0] ?? 'no cycle counts').replace(/^the clock /, '');
  const limit = clock.thresholdPercent === 0 ? 'without any drift' : `below ${clock.thresholdPercent} %`;
  const text = `clean for ${formatSpan(clock.cleanMs)} of ${formatSpan(clock.neededMs)} ${limit}, ${counted(clock.cycles, 'cycle')}`;
  return clock.pass ? paint.green(`passes: ${text}`) : text;
}

const BAR = 40;

function progressBar({ cleanMs, neededMs, pass }: DriftClock, paint: Paint): string {
  const share = Math.min(1, neededMs === 0 ? 1 : cleanMs / neededMs);
  const full = Math.floor(share * BAR);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`;
  return `${pass ? paint.green(bar) : bar} ${Math.floor(share * 100)} %`;
}

function lastCycleText({ last }: DriftClock): string | null {
  if (last === null) return null;
  const coverage = last.coveragePercent === null ? '' : `, covers ${percent(last.coveragePercent)}`;
  return `${time(last.startedAt)}, ${last.mode} ${last.scopeKind}, ${formatSpan(last.durationMs)}${coverage}`;
}

function lastCycleRows({ last }: DriftClock): string | null {
  if (last === null) return null;
  const unproven = last.unproven > 0 ? `; ${last.unproven} unsettled, set aside or long in flight` : '';
  return `${last.drift} of ${last.rows} rows drifted (${percent(last.driftPercent)}, at most ${percent(last.upperBoundPercent)})${unproven}`;
}

function nextCycleText({ nextDueAt, missedAt }: DriftClock, at: string, paint: Paint): string | null {
  if (nextDueAt === null || missedAt === null) return null;
  if (at > missedAt) return paint.red(`was due ${time(nextDueAt)}, and is missed`);
  return `due ${time(nextDueAt)}, missed after ${time(missedAt)}`;
}

function reasonsText(reasons: readonly string[]): string {
  const more = reasons.length - MOST_REASONS;
  return [
    ...reasons.slice(0, MOST_REASONS).map((reason) => wrap(`- ${reason}`)),
    ...(more <= 0 ? [] : [`and ${counted(more, 'more reason')} (--json has all of them)`]),
  ].join('\n');
}

function windowText({ cycles, drift, rows, ratePercent }: DriftClock): string | null {
  if (cycles === 0) return null;
  return `${drift} of ${rows} rows drifted (${percent(ratePercent ?? 0)})`;
}

function alertText(clock: DriftClock, alert: DriftStatusPayload['alert'], paint: Paint): string {
  const rule = `(above ${alert.driftPercent} % for ${alert.cycles} cycles)`;
  if (!clock.alertFiring) return `quiet ${rule}`;
  const of = clock.alertTables.slice(0, 3).join(', ');
  return `${paint.red('fires')} ${rule}${of === '' ? '' : `: ${of}`}`;
}

function restartText({ restartsAtRows, missedAt, missedCycle }: DriftClock): string {
  const does = missedCycle === 'restart' ? 'starts it again' : 'pauses it';
  const rows = restartsAtRows === 1 ? 'any drifted row' : `a full pass with ${restartsAtRows} drifted rows or more`;
  return [
    wrap(`- ${rows}; in a table or tenant with too few rows for a rate, any`),
    wrap(`- a cycle that fails, or none that has begun by ${time(missedAt ?? '')}, ${does}`),
  ].join('\n');
}

function clocksSection(title: string, head: string, clocks: readonly SubjectClock[], paint: Paint): string {
  if (clocks.length === 0) return '';
  const rows = clocks
    .slice(0, MOST_CLOCKS)
    .map(({ subject, pass, cleanMs, rows: count, drift, upperBoundPercent, cycles }) => [
      subject === NO_TENANT ? 'shared rows' : cut(subject, 24),
      ...(pass || cycles > 0
        ? [
            pass ? paint.green('passes') : 'runs',
            formatSpan(cleanMs),
            String(count),
            drift === 0 ? '0' : paint.red(String(drift)),
            percent(upperBoundPercent),
          ]
        : // No cycle counts, so there is nothing to count.
          [paint.red('stands still'), '-', '-', '-', '-']),
    ]);
  return section(
    paint,
    title,
    stack(table(paint, [head, 'clock', 'clean for', 'rows', 'drift', 'at most'], rows), beyond(clocks.length, head)),
  );
}

function beyond(count: number, what: string): string {
  return count <= MOST_CLOCKS ? '' : `and ${count - MOST_CLOCKS} more ${what}s (--json has all of them)`;
}

const LONGEST_KEY = 200;

export function renderDriftShow({ total, open, differences, nextPage }: DriftShowPayload, paint: Paint): string {
  if (total === 0) return 'no open difference';
  const rows = differences.map((each) => [
    cut(each.table, 64),
    // Whole: it is there to be copied.
    cut(each.rowKey, LONGEST_KEY),
    cut(each.tenant ?? '-', 64),
    each.kind,
    cut(each.columns.join(', ') || '-', 120),
    stateText(each, paint),
    time(each.foundAt),
  ]);
  const count =
    total === open ? counted(total, 'open difference') : `${counted(total, 'difference')}, ${open} of them open`;
  const shown = differences.length < total ? `, ${differences.length} shown` : '';
  return stack(
    paint.yellow(`${count}${shown}`),
    table(paint, ['table', 'key', 'tenant', 'kind', 'columns', 'state', 'found'], rows),
    nextPage === null ? '' : paint.dim(`there are more: drift show --after '${nextPage}'`),
  );
}

function stateText({ state }: ShownDifference, paint: Paint): string {
  return state === 'open' ? paint.yellow(state) : paint.green(state);
}

export function renderDriftReport({ out, bytes }: DriftReportPayload): string {
  return `wrote ${out} (${Math.ceil(bytes / 1024)} KB)`;
}

/** Three digits that count, without an exponent: 0.000299 %. */
export function percent(value: number): string {
  if (value === 0) return '0 %';
  const digits = Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return `${Number(value.toFixed(digits)).toLocaleString('en-US', { maximumFractionDigits: 12, useGrouping: false })} %`;
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

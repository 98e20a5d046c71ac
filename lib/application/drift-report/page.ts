/**
 * The drift report: one file without anything from elsewhere, in light and dark, on paper and on a phone. Every text that comes from
 * outside is escaped; keys and names, never values (invariant 9). Pure.
 */
import type { CycleDocument, TableCycle } from '../../contracts/documents.ts';
import type { SubjectClock } from '../../domain/drift-clocks.ts';
import { NO_TENANT } from '../../domain/table.ts';
import { markOf } from '../operate/drift-clock.ts';
import { formatSpan } from '../operate/format-span.ts';
import { escapeText } from './escape.ts';
import { formatCount, formatPercent, formatTime } from './format.ts';
import { plotClock } from './plot-clock.ts';
import type { DriftReportInput } from './report-input.ts';
import { STYLE } from './style.ts';

const MOST = { tables: 100, tenants: 50, chunks: 20, differences: 50, cycles: 40, reasons: 12 } as const;

export function renderDriftReport(input: DriftReportInput): string {
  const { plan, environment, at, view, open, incidents, cycles } = input;
  const title = `Drift of ${plan}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>${escapeText(title)}</h1><p class="quiet">${escapeText(environment ?? 'environment not known')}, as of ${escapeText(formatTime(at))}</p></header>
${verdict(input)}
${cards(input)}
<h2>The drift clock</h2>
<div class="wide" tabindex="0" role="region" aria-label="plot of the drift clock">${plotClock(input)}</div>
${section('Tables', clocks('table', view.tables, cycles, MOST.tables))}
${section('Tenants', clocks('tenant', view.tenants, cycles, MOST.tenants))}
${section('Worst chunks', worstChunks(cycles))}
${section(`Open differences${open.length === 0 ? '' : ` (${formatCount(open.length)})`}`, differences(input))}
${section(
  'Open incidents',
  table(
    ['since', 'incident', 'says'],
    incidents.map(({ id, says, firstAt }) => [formatTime(firstAt), id, says]),
    'none',
  ),
)}
${section('Last cycles', lastCycles(input))}
</main>
</body>
</html>
`;
}

function verdict({ view: { clock } }: DriftReportInput): string {
  const text = clock.pass
    ? 'The drift gate passes.'
    : clock.cycles === 0
      ? 'The drift clock does not run.'
      : `The drift clock runs; the gate can pass ${clock.earliestAt === null ? 'later' : `at ${formatTime(clock.earliestAt)} at the earliest`}.`;
  const reasons = clock.reasons.slice(0, MOST.reasons).map((reason) => `<li>${escapeText(reason)}</li>`);
  const kind = clock.pass ? 'good' : clock.cycles === 0 ? 'bad' : 'waiting';
  return `<p class="verdict ${kind}">${escapeText(text)}</p>${reasons.length === 0 ? '' : `<ul class="reasons">${reasons.join('')}</ul>`}`;
}

function cards({ view: { clock }, alert, open }: DriftReportInput): string {
  const share = Math.min(100, clock.neededMs === 0 ? 100 : (100 * clock.cleanMs) / clock.neededMs);
  const { last } = clock;
  const limit = clock.thresholdPercent === 0 ? 'none may drift' : `below ${formatPercent(clock.thresholdPercent)}`;
  const of = clock.alertTables.length === 0 ? '' : `: ${clock.alertTables.join(', ')}`;
  return `<div class="cards">
${card('shortest clock', `${formatSpan(clock.cleanMs)} of ${formatSpan(clock.neededMs)}`, `<progress max="100" value="${share.toFixed(1)}">${Math.floor(share)} %</progress>`)}
${card('drift in the window', clock.ratePercent === null ? 'not measured' : formatPercent(clock.ratePercent), escapeText(`${formatCount(clock.drift)} of ${formatCount(clock.rows)} rows; ${limit}`))}
${card('95 % upper bound', clock.cycles === 0 ? 'not measured' : formatPercent(clock.upperBoundPercent), `${clock.cycles} cycles`)}
${card('last cycle', last === null ? 'none' : `${formatCount(last.drift)} drifted`, last === null ? '' : escapeText(`${formatTime(last.startedAt)}, ${last.scopeKind}, ${formatSpan(last.durationMs)}, covers ${formatPercent(last.coveragePercent)}`))}
${card('next cycle', clock.nextDueAt === null ? 'none due' : formatTime(clock.nextDueAt), clock.missedAt === null ? '' : `missed after ${formatTime(clock.missedAt)}`)}
${card('alert', clock.alertFiring ? 'fires' : 'quiet', escapeText(`above ${formatPercent(alert.driftPercent)} for ${alert.cycles} cycles${of}`), clock.alertFiring ? 'bad' : '')}
${card('open differences', formatCount(open.length), open.length === 0 ? '' : 'crossfade drift show', open.length === 0 ? '' : 'bad')}
</div>`;
}

/** @param detail markup. */
function card(name: string, value: string, detail: string, kind = ''): string {
  return `<div class="card"><span>${escapeText(name)}</span><strong class="${kind}">${escapeText(value)}</strong><small>${detail}</small></div>`;
}

function section(title: string, body: string): string {
  return `<h2>${escapeText(title)}</h2>\n${body}`;
}

function clocks(
  kind: 'table' | 'tenant',
  all: readonly SubjectClock[],
  cycles: readonly CycleDocument[],
  most: number,
): string {
  const latest = new Map<string, TableCycle>();
  for (const cycle of cycles) {
    for (const each of cycle.tables) if (!latest.has(each.table) && !cycle.failed) latest.set(each.table, each);
  }
  const rows = all.slice(0, most).map((clock) => {
    const { subject, pass, cleanMs, cycles: count, rows: covered, drift, ratePercent, upperBoundPercent } = clock;
    const last = kind === 'table' ? latest.get(subject) : undefined;
    return [
      kind === 'tenant' && subject === NO_TENANT ? 'shared rows' : subject,
      pass ? 'passes' : count === 0 ? 'stands still' : 'runs',
      formatSpan(cleanMs),
      formatCount(covered),
      formatCount(drift),
      formatPercent(ratePercent),
      formatPercent(upperBoundPercent),
      ...(kind === 'tenant'
        ? []
        : [
            last === undefined ? '–' : `${last.drift.missing} / ${last.drift.extra} / ${last.drift.different}`,
            last === undefined ? '–' : `${last.inFlight} / ${last.unsettled}`,
            last === undefined ? '–' : formatCount(last.repaired),
            last === undefined ? '–' : formatCount(last.leftOut),
          ]),
    ];
  });
  const head = [kind, 'clock', 'clean for', 'rows', 'drift', 'rate', 'at most'];
  const extra =
    kind === 'tenant' ? [] : ['missing / extra / different', 'in flight / unsettled', 'repaired', 'left out'];
  return table([...head, ...extra], rows, `no ${kind} is compared yet`) + beyond(all.length, most);
}

function worstChunks(cycles: readonly CycleDocument[]): string {
  const found = cycles
    .slice(0, MOST.cycles)
    .flatMap((cycle) =>
      cycle.tables.flatMap(({ table: name, worst = [] }) => worst.map((chunk) => ({ cycle, name, chunk }))),
    );
  const rows = found
    .toSorted((one, other) => other.chunk.keys - one.chunk.keys)
    .slice(0, MOST.chunks)
    .map(({ cycle, name, chunk }) => [
      name,
      chunk.after ?? 'the beginning',
      chunk.through ?? 'the end',
      formatCount(chunk.rows),
      formatCount(chunk.keys),
      formatTime(cycle.startedAt),
    ]);
  return table(['table', 'after', 'through', 'rows', 'differing at first', 'cycle'], rows, 'no chunk differed');
}

function differences({ open }: DriftReportInput): string {
  const rows = open
    .slice(0, MOST.differences)
    .map(({ table: name, rowKey, tenant, kind, columns, foundAt }) => [
      name,
      rowKey,
      tenant ?? '–',
      kind,
      columns.join(', ') || '–',
      formatTime(foundAt),
    ]);
  return (
    table(['table', 'key', 'tenant', 'kind', 'columns', 'found'], rows, 'none') + beyond(open.length, MOST.differences)
  );
}

function lastCycles({ cycles, rule }: DriftReportInput): string {
  const rows = cycles
    .slice(0, MOST.cycles)
    .map((cycle) => [
      formatTime(cycle.startedAt),
      `${cycle.mode} ${cycle.scopeKind}`,
      markOf(cycle, rule),
      formatCount(cycle.rows),
      formatPercent(cycle.coveragePercent ?? null),
      formatCount(cycle.drift),
      formatPercent(cycle.driftPercent),
      formatPercent(cycle.upperBoundPercent),
      formatSpan(cycle.durationMs ?? Math.max(0, Date.parse(cycle.endedAt) - Date.parse(cycle.startedAt))),
    ]);
  const head = ['started', 'kind', 'result', 'rows', 'coverage', 'drift', 'rate', 'at most', 'took'];
  return table(head, rows, 'no cycle is on record') + beyond(cycles.length, MOST.cycles);
}

const WORDS: Readonly<Record<string, string>> = {
  passes: 'good',
  clean: 'good',
  'stands still': 'bad',
  drifted: 'bad',
  failed: 'bad',
};

function table(head: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return `<p class="quiet">${escapeText(none)}</p>`;
  const body = rows.map((row) => `<tr>${row.map((cell, column) => cellOf(cell, column)).join('')}</tr>`).join('\n');
  return `<div class="wide" tabindex="0" role="region" aria-label="${escapeText(head[0] ?? '')} table"><table><thead><tr>${head.map((name) => `<th scope="col">${escapeText(name)}</th>`).join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Only words of ours get a colour: the first column holds names from outside. */
function cellOf(cell: string, column: number): string {
  const kind = column === 0 ? undefined : WORDS[cell];
  const isNumber = /^[–\d][\d\u202f.,%/ –]*$/.test(cell);
  const names = [isNumber ? 'number' : '', kind ?? ''].filter((name) => name !== '').join(' ');
  return `<td${names === '' ? '' : ` class="${names}"`}>${escapeText(cell)}</td>`;
}

function beyond(count: number, most: number): string {
  return count <= most ? '' : `<p class="quiet">and ${formatCount(count - most)} more</p>`;
}

/**
 * The drift clock as one SVG over time: above, each cycle's drift on a logarithmic axis against the limits of gate and alert; below,
 * how far the clock had run, with its restarts. Pure.
 */
import type { CycleDocument } from '../../contracts/documents.ts';
import { judgeDrift, unprovenOf } from '../../domain/drift-gate.ts';
import { type CycleMark, markOf } from '../operate/drift-clock.ts';
import { escapeText } from './escape.ts';
import { formatPercent, formatTime } from './format.ts';
import type { DriftReportInput } from './report-input.ts';

const WIDTH = 960;
const LEFT = 74;
const RIGHT = 14;
const RATE = { top: 46, height: 210 } as const;
/** No drift has no place on a logarithmic axis: a lane of its own under it. Failed cycles have one above it. */
const LANE = 22;
const CLOCK = { top: RATE.top + RATE.height + 2 * LANE + 52, height: 96 } as const;
const BOTTOM = CLOCK.top + CLOCK.height;
const HEIGHT = BOTTOM + 34;
const MOST_PERCENT = 100;
/** Clean cycles beyond are thinned out; what went wrong is always drawn. */
const MOST_POINTS = 600;
const CLOCK_POINTS = 160;
const HOUR = 3_600_000;

interface Scales {
  readonly x: (epochMs: number) => number;
  readonly y: (percent: number) => number;
  readonly least: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export function plotClock(input: DriftReportInput): string {
  const oldestFirst = input.cycles.toReversed();
  const scales = scalesOf(input, oldestFirst);
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="drift of each cycle and the drift clock over time">
${[
  cleanRun(input, scales),
  gaps(oldestFirst, input, scales),
  rateAxis(input, scales),
  points(oldestFirst, input, scales),
  clockBand(oldestFirst, input, scales),
  timeAxis(scales),
]
  .filter((part) => part !== '')
  .join('\n')}
</svg>`;
}

function scalesOf({ at, rule, alert, view }: DriftReportInput, cycles: readonly CycleDocument[]): Scales {
  const toMs = Date.parse(at);
  const first = cycles[0] === undefined ? toMs : Date.parse(cycles[0].startedAt);
  // The window with a third of what was before it; less where there is less.
  const since = view.clock.since === null ? toMs : Date.parse(view.clock.since);
  const fromMs = Math.min(Math.max(first, Math.min(since, toMs - rule.forMs) - rule.forMs / 3), toMs - 1_000);
  const least =
    10 **
    Math.floor(Math.log10(Math.max(1e-9, Math.min(rule.driftPercent || 0.001, alert.driftPercent || 0.001)) / 10));
  const decades = Math.log10(MOST_PERCENT / least);
  return {
    least,
    fromMs,
    toMs,
    x: (epochMs) => LEFT + ((epochMs - fromMs) / (toMs - fromMs)) * (WIDTH - LEFT - RIGHT),
    y: (percent) =>
      RATE.top +
      LANE +
      RATE.height * (1 - Math.log10(Math.min(MOST_PERCENT, Math.max(least, percent)) / least) / decades),
  };
}

function cleanRun({ view: { clock } }: DriftReportInput, { x, fromMs, toMs }: Scales): string {
  if (clock.since === null) return '';
  const from = x(Math.max(fromMs, Date.parse(clock.since)));
  const title = `<title>the clock runs since ${escapeText(formatTime(clock.since))}</title>`;
  return `<rect class="run" x="${fix(from)}" y="${RATE.top}" width="${fix(x(toMs) - from)}" height="${RATE.height + 2 * LANE}">${title}</rect>`;
}

/** Time in which a cycle was missed. */
function gaps(cycles: readonly CycleDocument[], { rule }: DriftReportInput, { x, fromMs, toMs }: Scales): string {
  const ended = cycles.filter((cycle) => !cycle.failed);
  return ended
    .map((cycle, index) => {
      const from = Date.parse(cycle.endedAt);
      const next = ended[index + 1];
      const to = next === undefined ? toMs : Date.parse(next.startedAt);
      if (to - from <= 2 * rule.cycleMs || to < fromMs) return '';
      const left = x(Math.max(fromMs, from));
      const title = `<title>no cycle from ${escapeText(formatTime(cycle.endedAt))} to ${formatTime(new Date(to).toISOString())}</title>`;
      return `<g class="gap">${title}<rect x="${fix(left)}" y="${RATE.top}" width="${fix(x(to) - left)}" height="${RATE.height + 2 * LANE}"/><text x="${fix((left + x(to)) / 2)}" y="${RATE.top + 13}">missed</text></g>`;
    })
    .join('');
}

function rateAxis({ rule, alert }: DriftReportInput, { y, least }: Scales): string {
  const decades: number[] = [];
  for (let value = least; value <= MOST_PERCENT * 1.0001; value *= 10) decades.push(value);
  const zero = RATE.top + 1.5 * LANE + RATE.height;
  const line = (percent: number, kind: string, name: string) =>
    percent <= 0
      ? ''
      : `<line class="limit ${kind}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${fix(y(percent))}" y2="${fix(y(percent))}"/><text class="limit ${kind}" x="${LEFT + 6}" y="${fix(y(percent) - 4)}">${name} ${formatPercent(percent)}</text>`;
  return `<text class="title" x="${LEFT}" y="16">drift of each cycle</text>
<text class="legend" x="${LEFT}" y="34"><tspan class="clean">● clean</tspan><tspan class="drifted" dx="12">◆ drifted</tspan><tspan class="failed" dx="12">✕ failed, incomplete or unproven</tspan><tspan class="partial" dx="12">○ sample</tspan><tspan class="bound" dx="12">╷ 95 % bound</tspan></text>
${decades.map((value) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${fix(y(value))}" y2="${fix(y(value))}"/><text class="tick" x="${LEFT - 8}" y="${fix(y(value) + 4)}">${formatPercent(value)}</text>`).join('')}
<text class="tick" x="${LEFT - 8}" y="${fix(zero + 4)}">none</text><line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${RATE.top + 2 * LANE + RATE.height}" y2="${RATE.top + 2 * LANE + RATE.height}"/>
${line(rule.driftPercent, 'gate', 'gate')}${line(alert.driftPercent, 'alert', 'alert')}`;
}

function points(cycles: readonly CycleDocument[], { rule }: DriftReportInput, scales: Scales): string {
  const { x, y, fromMs } = scales;
  const shown = cycles
    .filter((cycle) => Date.parse(cycle.startedAt) >= fromMs)
    .map((cycle) => ({ cycle, mark: markOf(cycle, rule) }));
  const every = Math.ceil(shown.filter(({ mark }) => mark === 'clean').length / MOST_POINTS);
  return shown
    .filter(({ mark }, index) => mark !== 'clean' || index % Math.max(1, every) === 0)
    .map(({ cycle, mark }) => {
      const cx = x(Date.parse(cycle.startedAt));
      const zero = RATE.top + 1.5 * LANE + RATE.height;
      const cy = mark === 'failed' ? RATE.top + LANE / 2 : cycle.drift === 0 ? zero : y(cycle.driftPercent);
      const bound =
        mark === 'failed'
          ? ''
          : `<line class="bound" x1="${fix(cx)}" x2="${fix(cx)}" y1="${fix(y(cycle.upperBoundPercent))}" y2="${fix(cy)}"/>`;
      return `<g class="${mark}"><title>${escapeText(describe(cycle))}</title>${bound}${shape(mark, cx, cy)}</g>`;
    })
    .join('');
}

/** By form as well as by colour. */
function shape(mark: CycleMark, x: number, y: number): string {
  if (mark === 'failed') return `<path d="M${fix(x - 4)} ${fix(y - 4)}l8 8m0 -8l-8 8"/>`;
  if (mark === 'drifted') return `<path d="M${fix(x)} ${fix(y - 5)}l5 5l-5 5l-5 -5z"/>`;
  return `<circle cx="${fix(x)}" cy="${fix(y)}" r="${mark === 'partial' ? 3 : 2.6}"/>`;
}

function describe(cycle: CycleDocument): string {
  const { startedAt, mode, scopeKind, drift, rows, driftPercent, upperBoundPercent, complete, failed } = cycle;
  const unproven = unprovenOf(cycle);
  const end = `${failed ? ', failed' : complete ? '' : ', incomplete'}${unproven > 0 ? `, ${unproven} unsettled, set aside or long in flight` : ''}`;
  return `${formatTime(startedAt)} ${mode} ${scopeKind}: ${drift} of ${rows} rows (${formatPercent(driftPercent)}, at most ${formatPercent(upperBoundPercent)})${end}`;
}

/** How far the clock of everything had run, judged as of each moment from the log up to it. */
function clockBand(cycles: readonly CycleDocument[], { rule }: DriftReportInput, scales: Scales): string {
  const { x, fromMs, toMs } = scales;
  const y = (ms: number) => CLOCK.top + CLOCK.height * (1 - Math.min(1, ms / rule.forMs));
  const moments = [
    ...new Set([
      ...Array.from({ length: CLOCK_POINTS }, (_, step) => toMs - (step / CLOCK_POINTS) * (toMs - fromMs)),
      ...cycles
        .filter((cycle) => markOf(cycle, rule) !== 'clean')
        .slice(-CLOCK_POINTS)
        .map(({ endedAt }) => Date.parse(endedAt)),
    ]),
  ]
    .filter((moment) => moment >= fromMs && moment <= toMs)
    .sort((one, other) => one - other);
  const times = cycles.map((cycle) => Date.parse(cycle.endedAt));
  const told = moments.map((moment) => {
    const known = cycles.filter((_, index) => (times[index] ?? 0) <= moment);
    return { moment, ran: judgeDrift(known, rule, [], new Date(moment)).cleanMs };
  });
  const path = told.map(({ moment, ran }, index) => `${index === 0 ? 'M' : 'L'}${fix(x(moment))} ${fix(y(ran))}`);
  const restarts = told.flatMap(({ moment, ran }, index) => {
    const before = told[index - 1]?.ran ?? 0;
    if (ran >= before || before < rule.forMs / 100) return [];
    const left = fix(x(moment));
    return [
      `<g class="restart"><title>the clock stopped at ${formatTime(new Date(moment).toISOString())}</title><line x1="${left}" x2="${left}" y1="${RATE.top}" y2="${BOTTOM}"/><text x="${left}" y="${CLOCK.top - 5}">restart</text></g>`,
    ];
  });
  const hours = (ms: number) => `${Number((ms / HOUR).toFixed(1))} h`;
  return `<text class="title" x="${LEFT}" y="${CLOCK.top - 20}">the clock of everything together, of ${hours(rule.forMs)}</text>
<line class="goal" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${CLOCK.top}" y2="${CLOCK.top}"/><line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${BOTTOM}" y2="${BOTTOM}"/>
<text class="tick" x="${LEFT - 8}" y="${CLOCK.top + 4}">${hours(rule.forMs)}</text><text class="tick" x="${LEFT - 8}" y="${BOTTOM + 4}">0</text>
${path.length === 0 ? '' : `<path class="clock" d="${path.join('')}"/>`}${restarts.join('')}`;
}

function timeAxis({ x, fromMs, toMs }: Scales): string {
  const spans = [60_000, 300_000, 900_000, HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 72 * HOUR, 168 * HOUR, 720 * HOUR];
  const step = spans.find((span) => (toMs - fromMs) / span <= 8) ?? 8_760 * HOUR;
  const first = Math.ceil(fromMs / step) * step;
  const ticks = Array.from({ length: Math.max(0, Math.floor((toMs - first) / step) + 1) }, (_, n) => first + n * step);
  return ticks
    .map((moment) => {
      const iso = new Date(moment).toISOString();
      const label = step >= 24 * HOUR ? iso.slice(5, 10) : `${iso.slice(5, 10)} ${iso.slice(11, 16)}`;
      const anchor = x(moment) > WIDTH - 50 ? 'end' : 'middle';
      return `<text class="time" text-anchor="${anchor}" x="${fix(x(moment))}" y="${BOTTOM + 20}">${label}</text>`;
    })
    .join('');
}

function fix(value: number): string {
  return value.toFixed(1);
}

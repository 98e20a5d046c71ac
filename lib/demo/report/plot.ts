/** The timeline of a demo as one SVG: three bands over one time axis, with the phases and mishaps marked. Pure. */
import { escapeText } from '../../application/drift-report/escape.ts';
import type { StoryEvent } from '../story.ts';
import type { Sample } from '../watch.ts';

const WIDTH = 960;
const LEFT = 62;
const RIGHT = 12;
const BAND = { height: 110, gap: 34 } as const;
const TOP = 40;

interface Series {
  readonly name: string;
  /** CSS class, which carries the colour in light and dark. */
  readonly colour: string;
  /** null: not known, the line is broken there. */
  readonly measure: (sample: Sample) => number | null;
}

interface Band {
  readonly title: string;
  readonly series: readonly Series[];
}

const BANDS: readonly Band[] = [
  {
    title: 'lag of the relay, s',
    series: [
      {
        name: 'oldest undelivered event',
        colour: 'c1',
        measure: ({ lagMs }) => (lagMs === null ? null : lagMs / 1000),
      },
    ],
  },
  {
    title: 'acknowledged row writes a second',
    series: [
      {
        name: 'legacy',
        colour: 'c2',
        measure: ({ store, writesPerSecond }) => (store === 'legacy' ? writesPerSecond : 0),
      },
      {
        name: 'target',
        colour: 'c3',
        measure: ({ store, writesPerSecond }) => (store === 'target' ? writesPerSecond : 0),
      },
    ],
  },
  {
    title: 'reads a second, by who answered',
    series: [
      { name: 'legacy', colour: 'c2', measure: ({ readsPerSecond }) => readsPerSecond.legacy },
      { name: 'target', colour: 'c3', measure: ({ readsPerSecond }) => readsPerSecond.target },
      { name: 'fallbacks', colour: 'c1', measure: ({ fallbacksPerSecond }) => fallbacksPerSecond },
    ],
  },
];

/** @param endMs length of the demo. */
export function plotTimeline(samples: readonly Sample[], events: readonly StoryEvent[], endMs: number): string {
  const height = TOP + BANDS.length * (BAND.height + BAND.gap) + 24;
  const span = Math.max(endMs, 1_000);
  const x = (at: number) => LEFT + (at / span) * (WIDTH - LEFT - RIGHT);
  const bottom = height - 24;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="lag, writes and reads over the time of the demo">
${events.map((event) => mark(event, x, bottom)).join('')}
${BANDS.map((band, index) => drawBand(band, samples, x, TOP + index * (BAND.height + BAND.gap))).join('')}
${timeAxis(span, x, bottom)}
</svg>`;
}

function drawBand({ title, series }: Band, samples: readonly Sample[], x: (at: number) => number, top: number): string {
  const values = series.flatMap(({ measure }) => samples.map((sample) => measure(sample) ?? 0));
  const most = niceCeiling(Math.max(1, ...values));
  const y = (value: number) => top + BAND.height - (value / most) * BAND.height;
  const lines = series.map(
    ({ measure, colour }) => `<path class="line ${colour}" d="${pathOf(samples, measure, x, y)}"/>`,
  );
  const legend = series.map(
    ({ name, colour }, index) =>
      `<tspan class="fill-${colour}" dx="${index === 0 ? 12 : 10}">■ ${escapeText(name)}</tspan>`,
  );
  return `<g>
<text class="title" x="${LEFT}" y="${top - 8}">${escapeText(title)}${legend.join('')}</text>
<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(0)}" y2="${y(0)}"/>
<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(most)}" y2="${y(most)}"/>
<text class="tick" x="${LEFT - 6}" y="${y(0) + 4}">0</text><text class="tick" x="${LEFT - 6}" y="${y(most) + 4}">${most}</text>
${lines.join('\n')}
</g>`;
}

function pathOf(
  samples: readonly Sample[],
  measure: Series['measure'],
  x: (at: number) => number,
  y: (value: number) => number,
): string {
  let isDrawing = false;
  const steps = samples.map((sample) => {
    const value = measure(sample);
    if (value === null) {
      isDrawing = false;
      return '';
    }
    const step = `${isDrawing ? 'L' : 'M'}${x(sample.at).toFixed(1)} ${y(value).toFixed(1)}`;
    isDrawing = true;
    return step;
  });
  return steps.join('');
}

function mark({ kind, at, text }: StoryEvent, x: (at: number) => number, bottom: number): string {
  if (kind !== 'section' && kind !== 'mishap' && kind !== 'healed' && kind !== 'failure') return '';
  const position = x(at).toFixed(1);
  const label =
    kind === 'section'
      ? text.replace(/^Phase (\d): /, '$1 ')
      : kind === 'mishap'
        ? '⚡'
        : kind === 'healed'
          ? '♥'
          : '✗';
  const height = kind === 'section' ? 14 : 26;
  return `<g class="${kind}"><title>${escapeText(text)}</title><line x1="${position}" x2="${position}" y1="18" y2="${bottom}"/><text x="${position}" y="${height}" dx="3">${escapeText(label)}</text></g>\n`;
}

function timeAxis(span: number, x: (at: number) => number, bottom: number): string {
  const step = span > 150_000 ? 60_000 : 30_000;
  const ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step);
  return ticks
    .map((at) => `<text class="tick time" x="${x(at).toFixed(1)}" y="${bottom + 18}">${at / 60_000} min</text>`)
    .join('');
}

/** 1, 2 or 5 times a power of ten. */
export function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value) ?? value;
}

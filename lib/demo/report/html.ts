/** The report of a demo: one file without anything from elsewhere, in light and dark. Every text is escaped. Pure. */
import { escapeText } from '../../application/drift-report/escape.ts';
import { formatElapsed, type StoryEvent } from '../story.ts';
import type { Sample } from '../watch.ts';
import { plotTimeline } from './plot.ts';

export interface ReportInput {
  /** undefined: all was as it should be. */
  readonly failure: string | undefined;
  readonly startedAt: Date;
  readonly totalMs: number;
  readonly seed: number;
  readonly summary: readonly SummaryRow[];
  readonly proof: readonly (readonly string[])[];
  readonly events: readonly StoryEvent[];
  readonly samples: readonly Sample[];
}

export type SummaryRow = readonly [name: string, value: string];

const PROOF_HEAD = ['table', 'rows equal', 'missing', 'extra', 'different', 'keys written', 'held'];

export function renderReport(input: ReportInput): string {
  const { failure, startedAt, totalMs, seed, summary, proof, events, samples } = input;
  const verdict = failure === undefined ? 'Everything was as it should be.' : `It failed: ${failure}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Crossfade demo, ${escapeText(startedAt.toISOString().slice(0, 16))}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>A migration under live traffic</h1>
<p class="${failure === undefined ? 'good' : 'bad'}">${escapeText(verdict)}</p>
<p class="quiet">${escapeText(startedAt.toISOString())}, ${formatElapsed(totalMs).trim()} min, seed ${seed}</p>
<h2>Summary</h2>
<table>${summary.map(([name, value]) => `<tr><th scope="row">${escapeText(name)}</th><td>${escapeText(value)}</td></tr>`).join('\n')}</table>
<h2>Timeline</h2>
<div class="plot">${plotTimeline(samples, events, totalMs)}</div>
${proof.length === 0 ? '' : `<h2>What was proved</h2>\n<p class="quiet">Plain SQL of the demo's own, not Crossfade's digests, before the reverse relay was retired.</p>\n${table(PROOF_HEAD, proof)}`}
<h2>The story</h2>
<ol class="story">${events.map(line).join('\n')}</ol>
</main>
</body>
</html>
`;
}

function line({ kind, at, text }: StoryEvent): string {
  const shown = kind === 'command' ? `<code>$ ${escapeText(text)}</code>` : escapeText(text);
  return `<li class="${kind}"><time>${formatElapsed(at).trim()}</time> ${shown}</li>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: 'td' | 'th') =>
    row.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join('');
  return `<table class="numbers"><thead><tr>${cells(head, 'th')}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('\n')}</tbody></table>`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #656d76; --paper: #ffffff; --rule: #d8dee4; --c1: #c2410c; --c2: #6e40c9; --c3: #0969da; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #8d96a0; --paper: #0d1117; --rule: #30363d; --c1: #f0883e; --c2: #b392f0; --c3: #58a6ff; --good: #3fb950; --bad: #f85149; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.quiet, time { color: var(--quiet); } .good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
.numbers td:not(:first-child), .numbers th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums; }
.plot { overflow-x: auto; } svg { width: 100%; min-width: 44rem; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .tick { fill: var(--quiet); text-anchor: end; } svg .time { text-anchor: middle; } svg .title { font-size: 12px; }
svg .axis { stroke: var(--quiet); } svg .grid { stroke: var(--rule); } svg .line { fill: none; stroke-width: 1.6; }
.c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); }
svg .fill-c1 { fill: var(--c1); } svg .fill-c2 { fill: var(--c2); } svg .fill-c3 { fill: var(--c3); }
svg .section line { stroke: var(--rule); } svg .section text { fill: var(--quiet); }
svg .mishap line, svg .failure line { stroke: var(--bad); stroke-dasharray: 3 3; } svg .mishap text, svg .failure text { fill: var(--bad); }
svg .healed line { stroke: var(--good); stroke-dasharray: 3 3; } svg .healed text { fill: var(--good); }
.story { list-style: none; padding: 0; } .story time { display: inline-block; width: 3.2rem; font-variant-numeric: tabular-nums; }
.story .section { margin-top: 1rem; font-weight: 600; } .story .note { color: var(--quiet); } .story .mishap, .story .failure { color: var(--bad); } .story .healed { color: var(--good); }
code { font: 13px ui-monospace, monospace; }
`;

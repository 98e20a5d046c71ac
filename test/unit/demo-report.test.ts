import { describe, expect, it } from 'vitest';
import { escapeText } from '../../lib/application/drift-report/escape.ts';
import { type ReportInput, renderReport } from '../../lib/demo/report/html.ts';
import { niceCeiling, plotTimeline } from '../../lib/demo/report/plot.ts';
import type { Sample } from '../../lib/demo/watch.ts';

describe('the report of a demo', () => {
  it('shows what came from outside as text, never as markup', () => {
    const hostile = `<script>alert("x")</script>&'`;

    const html = renderReport(
      aReport({
        failure: hostile,
        summary: [[hostile, hostile]],
        proof: [[hostile]],
        events: [{ kind: 'mishap', at: 1, text: hostile }],
      }),
    );

    expect(html).not.toContain('<script>');
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;');
  });

  it('needs nothing from elsewhere', () => {
    const html = renderReport(aReport({}));

    expect(html).not.toMatch(/(?:src|href)=|@import|url\(/);
    expect(html).toContain('prefers-color-scheme: dark');
  });

  it('says why a demo failed', () => {
    const html = renderReport(aReport({ failure: 'backfill took too long' }));

    expect(html).toContain('<p class="bad">It failed: backfill took too long</p>');
  });

  it('tells each event of the story with its time', () => {
    const html = renderReport(aReport({ events: [{ kind: 'command', at: 65_000, text: 'npx crossfade status' }] }));

    expect(html).toContain('<li class="command"><time>1:05</time> <code>$ npx crossfade status</code></li>');
  });
});

describe('the timeline', () => {
  it('breaks the line of the lag where the outbox could not be asked', () => {
    const samples = [
      aSample({ at: 0, lagMs: 0 }),
      aSample({ at: 500, lagMs: null }),
      aSample({ at: 1_000, lagMs: 1_000 }),
    ];

    const svg = plotTimeline(samples, [], 1_000);

    const [, lag = ''] = /class="line c1" d="([^"]*)"/.exec(svg) ?? [];
    expect(lag.match(/M/g)).toHaveLength(2);
    expect(lag).not.toContain('L');
  });

  it('marks phases, mishaps and their healing at their time', () => {
    const svg = plotTimeline(
      [],
      [
        { kind: 'section', at: 0, text: 'Phase 1: baseline' },
        { kind: 'mishap', at: 500, text: 'the target is down' },
        { kind: 'healed', at: 1_000, text: 'well again' },
        { kind: 'note', at: 700, text: 'not shown' },
      ],
      1_000,
    );

    expect(svg).toContain('<g class="section"><title>Phase 1: baseline</title>');
    expect(svg).toContain('<title>the target is down</title>');
    expect(svg).toContain('<title>well again</title>');
    expect(svg).not.toContain('not shown');
  });

  it.each([
    [1, 1],
    [1.2, 2],
    [47, 50],
    [60, 100],
  ])('scales up to a round number: %d to %d', (value, ceiling) => {
    expect(niceCeiling(value)).toBe(ceiling);
  });
});

it('escapes all that has a meaning in markup', () => {
  expect(escapeText(`a<b>&"c'`)).toBe('a&lt;b&gt;&amp;&quot;c&#39;');
});

function aReport(input: Partial<ReportInput>): ReportInput {
  return {
    failure: undefined,
    startedAt: new Date('2026-01-05T12:00:00Z'),
    totalMs: 240_000,
    seed: 1,
    summary: [],
    proof: [],
    events: [],
    samples: [],
    ...input,
  };
}

function aSample(sample: Partial<Sample>): Sample {
  return {
    at: 0,
    lagMs: 0,
    undelivered: 0,
    writesPerSecond: 0,
    store: 'legacy',
    readsPerSecond: { legacy: 0, target: 0 },
    fallbacksPerSecond: 0,
    ...sample,
  };
}

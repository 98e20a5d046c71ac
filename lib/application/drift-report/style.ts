/** Style of the drift report: colours by custom properties, so that light and dark differ in nothing else. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #59636e; --paper: #ffffff; --card: #f6f8fa; --rule: #d8dee4; --good: #1a7f37; --bad: #cf222e; --wait: #9a6700; --line: #0969da; --run: #dafbe1; --gap: #fff1e5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --paper: #0d1117; --card: #151b23; --rule: #30363d; --good: #3fb950; --bad: #f85149; --wait: #d29922; --line: #58a6ff; --run: #12261e; --gap: #2e1c10; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } header p { margin: 0 0 1rem; }
.quiet { color: var(--quiet); } .good { color: var(--good); } .bad { color: var(--bad); }
.verdict { font-size: 1.15rem; font-weight: 600; margin: 0; padding: .6rem .9rem; border-left: 4px solid currentColor; background: var(--card); } .verdict.waiting { color: var(--wait); }
.reasons { margin: .5rem 0 0; padding-left: 1.4rem; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(12.5rem, 1fr)); gap: .6rem; margin-top: 1rem; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .6rem .8rem; min-width: 0; overflow-wrap: anywhere; }
.card span, .card small { display: block; color: var(--quiet); font-size: .82rem; } .card strong { display: block; font-size: 1.05rem; font-variant-numeric: tabular-nums; }
progress { width: 100%; height: .6rem; accent-color: var(--good); }
.wide { overflow-x: auto; } table { border-collapse: collapse; min-width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; white-space: nowrap; max-width: 28rem; overflow: hidden; text-overflow: ellipsis; }
th { color: var(--quiet); font-weight: 600; } td.number { font-variant-numeric: tabular-nums; }
svg { width: 100%; min-width: 44rem; font: 11px system-ui, sans-serif; display: block; }
svg text { fill: var(--ink); } svg .title { font-size: 13px; font-weight: 600; } svg .tick { fill: var(--quiet); text-anchor: end; } svg .time { fill: var(--quiet); }
svg .axis { stroke: var(--quiet); } svg .grid { stroke: var(--rule); } svg .run { fill: var(--run); }
svg .limit { stroke-width: 1.4; } svg line.gate { stroke: var(--wait); stroke-dasharray: 7 4; } svg line.alert { stroke: var(--bad); stroke-dasharray: 3 3; } svg text.gate { fill: var(--wait); stroke: none; } svg text.alert { fill: var(--bad); stroke: none; }
svg .clean { fill: var(--good); } svg .drifted { fill: var(--bad); } svg .failed { fill: none; stroke: var(--bad); stroke-width: 1.8; } svg tspan.failed { fill: var(--bad); stroke: none; } svg .partial { fill: var(--paper); stroke: var(--quiet); } svg tspan.partial { fill: var(--quiet); stroke: none; }
svg line.bound { stroke: currentColor; opacity: .16; stroke-width: 1; } svg tspan.bound { fill: var(--quiet); }
svg .gap rect { fill: var(--gap); } svg .gap text { fill: var(--wait); text-anchor: middle; }
svg .clock { fill: none; stroke: var(--line); stroke-width: 1.8; } svg .goal { stroke: var(--good); stroke-dasharray: 7 4; }
svg .restart line { stroke: var(--bad); stroke-dasharray: 2 4; } svg .restart text { fill: var(--bad); text-anchor: middle; }
@media print { .wide { overflow: visible; } }
`;

/** What `npm run bench -- --help` prints, and a wrong command on standard error. */
import { renderTable } from './layout.ts';
import type { Suite } from './suite.ts';

/** How each suite calls its size. */
export const SIZES = { relay: 'events', reconcile: 'rows' } as const;
export type SuiteName = keyof typeof SIZES;

const OPTIONS: readonly (readonly [string, string])[] = [
  ['--quick', 'small and once, in about a minute and a half: that it runs, too few for a judgement'],
  ['--only PART,PART', 'these parts only; ratios need both of their sides'],
  ['--events N, --rows N', 'another size: an even number of events, rows of one side'],
  ['--rounds N', 'turns of each variant; 3, quick 1'],
  ['--json', 'the result for a program instead of the report'],
  ['--help', 'this'],
];

export function renderUsage(suites: Readonly<Record<SuiteName, Suite>>): string {
  const partsOf = ([name, { about }]: readonly [string, Suite]) =>
    `Parts of ${name}:\n${columns(Object.entries(about))}`;
  return `usage: npm run bench -- <suite> [options]

${columns([
  ['relay', 'events from legacy to the target, beside queues, replication and bare loops; about ten minutes'],
  ['reconcile', 'two tables compared, beside reladiff and pg_comparator, and backfill; about fifteen minutes'],
])}

Options:
${columns(OPTIONS)}

${Object.entries(suites).map(partsOf).join('\n\n')}

Everything is measured in one run on two servers of its own, in turns, and every end state is checked. What cannot be installed is
left out and named. A bound that is missed is said and exits 0; 1: the run failed; 2: wrong usage. All numbers go to bench/results.
`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  return renderTable(['', ''], rows, true)
    .split('\n')
    .slice(1)
    .map((line) => `  ${line}`)
    .join('\n');
}

/** The demo in one table: what was moved, what went wrong on purpose, and what was proved. */
import type { Facts } from './demo.ts';
import type { SummaryRow } from './report/html.ts';
import { seconds } from './runs.ts';
import type { TrafficCounts } from './traffic/traffic.ts';
import type { Sample } from './watch.ts';

export function summarise(facts: Facts, counts: TrafficCounts, samples: readonly Sample[]): readonly SummaryRow[] {
  const { proof, finalProof, delivered } = facts;
  const fallbacks = Object.entries(counts.fallbacks).map(([why, count]) => `${count} ${why}`);
  const longestLag = Math.max(0, ...samples.map(({ lagMs }) => lagMs ?? 0));
  return [
    ['tables and rows', proof === undefined ? NOT_REACHED : `${proof.tables.length} tables, ${proof.rows} rows`],
    [
      'writes acknowledged',
      `${counts.rowWrites} rows in ${counts.transactions} transactions: ${counts.writesBy.legacy} by legacy, ${counts.writesBy.target} by the target`,
    ],
    [
      'events delivered',
      delivered === undefined ? NOT_REACHED : `${delivered.forward} to the target, ${delivered.reverse} back to legacy`,
    ],
    ['longest lag', seconds(longestLag)],
    [
      'drift',
      facts.driftFound === undefined ? NOT_REACHED : `${facts.driftFound} rows found, ${facts.driftRepaired} repaired`,
    ],
    [
      'reads',
      `${counts.reads}: ${counts.readsBy.legacy} by legacy, ${counts.readsBy.target} by the target; slowest ${Math.round(counts.slowestReadMs)} ms`,
    ],
    ['fallbacks', fallbacks.length === 0 ? 'none' : fallbacks.join(', ')],
    ['write pause at switchover', facts.writePauseMs === undefined ? NOT_REACHED : `${facts.writePauseMs} ms`],
    ...facts.mishaps.map(
      ({ what, handled, healedInMs }, index): SummaryRow => [
        `mishap ${index + 1}: ${what}`,
        healedInMs === null ? handled : `${handled}; well again after ${seconds(healedInMs)}`,
      ],
    ),
    [
      'proof',
      proof === undefined
        ? NOT_REACHED
        : proof.proved
          ? `both stores equal by the plan's mapping; ${proof.ledgerKeys} of ${proof.ledgerKeys} written keys hold their last acknowledged state`
          : `FAILED: ${proof.contradictions.length} contradictions`,
    ],
    [
      'after decommission',
      finalProof === undefined
        ? NOT_REACHED
        : `${finalProof.held} of ${finalProof.ledgerKeys} written keys hold their last acknowledged state in the target`,
    ],
  ];
}

const NOT_REACHED = 'not reached';

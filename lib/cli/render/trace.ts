import { describeQuery, type TracePayload } from '../../application/operate/trace.ts';
import type { TracedRowState } from '../../contracts/trace.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, table } from './layout.ts';

const OUTCOMES: Readonly<Record<TracePayload['outcome'], string>> = {
  delivered: 'delivered',
  'on-its-way': 'on its way',
  'set-aside': 'set aside: it waits for a person',
  differs: 'delivered, and yet the stores differ',
};

export function renderTrace({ query, outcome, steps, rows, truncated, gaps }: TracePayload, paint: Paint): string {
  const told = steps.map(({ at, store, what, table: name, rowKey, seq, detail }) => [
    clockTime(at),
    store,
    what,
    `${name} ${rowKey}${seq === null ? '' : ` #${seq}`}`,
    detail,
  ]);
  return stack(
    facts(paint, [
      ['write', describeQuery(query)],
      ['outcome', OUTCOMES[outcome]],
      ['more', truncated ? 'there is more than is shown here' : null],
    ]),
    told.length === 0 ? '' : section(paint, 'what happened', table(paint, ['when', 'store', 'what', 'row', ''], told)),
    rows.length === 0
      ? ''
      : section(paint, 'the rows now', table(paint, ['row', 'version', 'legacy', 'target', ''], rows.map(rowLine))),
    section(paint, 'not known', gaps.map((gap) => `- ${gap}`).join('\n')),
  );
}

function rowLine({ table: name, rowKey, version, deleted, digests, same, repair }: TracedRowState): string[] {
  const known = `${version ?? 'none'}${deleted ? ' (tombstone)' : ''}`;
  const verdict = same === null ? '' : same ? 'same' : 'different';
  return [
    `${name} ${rowKey}`,
    known,
    digests.legacy ?? '-',
    digests.target ?? '-',
    [verdict, repair === null ? '' : `repair ${repair}`].filter((text) => text !== '').join('; '),
  ];
}

/** To the millisecond: the steps of a delivery are closer than seconds. */
function clockTime(iso: string | null): string {
  return iso === null ? '-' : `${iso.slice(0, 23).replace('T', ' ')}Z`;
}

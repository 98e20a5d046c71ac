/** A relay that is late at random: between claim and apply, between apply and mark, and in the middle of a batch. */
import { systemClock } from '../../lib/adapters/system-clock.ts';
import type { Databases, SqlSession } from '../../lib/ports/sql.ts';
import { seededRandom } from '../support/seeded-random.ts';

export interface Delays {
  readonly seed: number;
  readonly maxMs: number;
}

type Moment = 'before' | 'after';

/** Words of the relay's statements, and how many of them are late, 0 to 1: a batch that is taken apart sends many. */
const STEPS: readonly { readonly words: string; readonly moment: Moment; readonly share: number }[] = [
  { words: 'INSERT INTO crossfade.lease AS l', moment: 'after', share: 0.4 },
  { words: 'SET state = m.state', moment: 'before', share: 0.4 },
  { words: 'FROM crossfade.repair_queue ORDER BY', moment: 'after', share: 0.2 },
  { words: '/* crossfade batch', moment: 'before', share: 0.01 },
  { words: '/* crossfade batch', moment: 'after', share: 0.01 },
];

export function deliverLate(databases: Databases, { seed, maxMs }: Delays): Databases {
  const random = seededRandom(seed);
  const wait = async (text: string, moment: Moment) => {
    const step = STEPS.find((known) => known.moment === moment && text.includes(known.words));
    if (step !== undefined && random() < step.share) await systemClock.sleep(random() * maxMs);
  };
  const late = <Session extends SqlSession>(session: Session): Session => ({
    ...session,
    query: async <Row>(statement: Parameters<SqlSession['query']>[0]) => {
      await wait(statement.text, 'before');
      const rows = await session.query<Row>(statement);
      await wait(statement.text, 'after');
      return rows;
    },
  });
  return { ...databases, open: (store, purpose) => late(databases.open(store, purpose)) };
}

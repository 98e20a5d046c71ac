/** What strikes, and at which moment of a batch. */
import type { StoreName } from '../../lib/domain/direction.ts';
import type { RelayWorker, Stage } from './stage.ts';
import type { Moment } from './wire-tap.ts';

export interface Mishap {
  readonly name: string;
  strike(stage: Stage, workers: readonly RelayWorker[]): Promise<void>;
}

/** Words of the statements, as they go over the wire. */
const APPLY = '/* crossfade batch';
const CLAIM = 'INSERT INTO crossfade.lease AS l';
const MARK = 'SET state = m.state';

/** A relay under load sends every statement many times in this time; longer means that it has died for good. */
const PATIENCE_MS = 30_000;

export const MISHAPS: readonly Mishap[] = [
  relaysKilled('target', APPLY, 'sent', 'with a batch on its way'),
  relaysKilled('target', APPLY, 'answered', 'when a batch is applied and not yet marked'),
  relaysKilled('legacy', CLAIM, 'answered', 'when a batch is claimed'),
  relaysKilled('legacy', MARK, 'sent', 'while it marks'),
  serverKilled('target', APPLY, 'sent', 'in the middle of a batch'),
  serverKilled('target', APPLY, 'answered', 'when a batch is applied and the answer is not out'),
  serverKilled('legacy', CLAIM, 'sent', 'while a batch is claimed'),
  serverKilled('legacy', MARK, 'sent', 'while a batch is marked'),
  answerLost('target', APPLY, 'a batch'),
  answerLost('legacy', MARK, 'marks'),
  answerLost('legacy', CLAIM, 'a claim'),
  {
    name: 'rows of the target are locked for longer than a live event may take',
    strike: async (stage) => {
      await stage.query(
        'target',
        'BEGIN; SELECT 1 FROM accounts ORDER BY id LIMIT 5 FOR UPDATE; SELECT pg_sleep(0.9); COMMIT',
      );
    },
  },
  {
    name: 'the target hangs and comes back',
    strike: async (stage) => {
      await within('the target', stage.taps.target.next(APPLY, 'sent'));
      await stage.servers.target.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 700));
      await stage.servers.target.kill('SIGCONT');
    },
  },
];

function relaysKilled(store: StoreName, text: string, moment: Moment, when: string): Mishap {
  const name = `both relays are killed ${when}`;
  return {
    name,
    strike: async (stage, workers) => {
      await within(name, stage.taps[store].next(text, moment));
      await Promise.all(workers.map((worker) => worker.killAndReplace()));
    },
  };
}

function serverKilled(store: StoreName, text: string, moment: Moment, when: string): Mishap {
  const name = `the ${store} server is killed ${when}`;
  return {
    name,
    strike: async (stage) => {
      await within(name, stage.taps[store].next(text, moment));
      await stage.killServer(store);
    },
  };
}

function answerLost(store: StoreName, text: string, what: string): Mishap {
  const name = `the answer to ${what} is lost after ${store} committed`;
  return { name, strike: (stage) => within(name, stage.taps[store].loseAnswer(text)) };
}

async function within(what: string, moment: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: the moment did not come in ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    await Promise.race([moment, late]);
  } finally {
    clearTimeout(timer);
  }
}

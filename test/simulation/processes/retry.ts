/** The consumer of the retry queue: a message is a claim check, may come twice, and its event is claimed anew. */
import { claimOne, mark } from '../model/source.ts';
import type { RetryMessage, World } from '../model/world.ts';
import { act, attempt, type ProcessSpec, type Steps } from '../scheduler.ts';
import { deliver, recordMarks } from './delivery.ts';

const TRIES = 3;

export function retryConsumer(world: World): ProcessSpec {
  const name = 'retry';
  return {
    name,
    start: function* () {
      for (;;) yield* attempt(() => receive(world, name));
    },
    faults: { fails: 0.05, answerLost: 0.05, crashes: 0.05 },
    restarts: true,
  };
}

function* receive(world: World, name: string): Steps {
  const { retryQueue, random } = world;
  const message = yield* act(
    (): RetryMessage => {
      const place = random.below(retryQueue.length);
      const [received] = retryQueue.splice(place, 1);
      if (received === undefined) throw new RangeError('the retry queue is not empty here');
      received.receives++;
      // Not deleted before it is shown again.
      if (world.isFaulty && received.receives <= TRIES && random.chance(0.3)) retryQueue.push(received);
      return received;
    },
    { kind: 'idle', isReady: () => retryQueue.length > 0 },
  );
  const { direction, seq, epoch } = message;
  const claimed = yield* act(() => {
    world.note(() => `${name}: claims seq ${seq}`);
    return claimOne(world, direction, seq, epoch);
  });
  if (claimed.events.length === 0) return;
  if (message.receives > TRIES) {
    yield* act(() =>
      mark(world, world.sourceOf(direction), new Map(claimed.events.map(({ event }) => [event, 'dead']))),
    );
    return;
  }
  const marks = yield* deliver(world, name, claimed);
  yield* recordMarks(world, name, claimed, marks);
}

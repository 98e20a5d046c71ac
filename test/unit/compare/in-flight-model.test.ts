/**
 * The rule of "in flight is not drift" in every interleaving: a row of two stores, its events with commit, apply and mark as
 * steps of their own, fresh reads, and the four reads of a sight anywhere between them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeRow, type RowSight, type Stand, standOf, type Verdict } from '../../../lib/domain/drift.ts';

/** Few enough that a row comes back to what it was. */
type Content = 'a' | 'b' | null;

interface Event {
  readonly seq: number;
  readonly content: Content;
  state: 'pending' | 'applied' | 'ended';
}

const READS = ['source', 'open', 'record', 'receiver'] as const;
type Read = (typeof READS)[number];

/** What goes on beside the comparison. `collide`: the event ends without effect, and the row is queued for a fresh read. */
type Action =
  | { readonly kind: 'commit'; readonly content: Content }
  | { readonly kind: 'apply' | 'mark' | 'collide'; readonly which: number }
  | { readonly kind: 'read-afresh' | 'write-afresh' };
const PLANT = { kind: 'plant' } as const;

const anAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant('commit' as const), content: fc.constantFrom('a' as const, 'b' as const, null) }),
  fc.record({ kind: fc.constantFrom('apply' as const, 'mark' as const), which: fc.nat(3) }),
  fc.record({ kind: fc.constantFrom('apply' as const, 'mark' as const), which: fc.nat(3) }),
  fc.record({ kind: fc.constant('collide' as const), which: fc.nat(3) }),
  fc.record({ kind: fc.constantFrom('read-afresh' as const, 'write-afresh' as const) }),
);
/** What happens before each read of `rounds` rounds. */
const gaps = (rounds: number) =>
  fc.array(fc.array(anAction, { maxLength: 6 }), {
    minLength: rounds * READS.length,
    maxLength: rounds * READS.length,
  });

class World {
  source: Content = 'a';
  target: Content = 'a';
  /** As the receiver keeps it: an event's seq or that of the last event a fresh read saw. */
  version = { label: 'E0', seq: 0 };
  /** What was written under that version; the receiver holds something else only where somebody planted it. */
  written: Content = 'a';
  /** At each read of the receiver: whether it held something else. */
  readonly tampered: boolean[] = [];
  #seq = 0;
  #events: Event[] = [];
  #queued = false;
  #fresh: { readonly seq: number; readonly content: Content } | null = null;

  act(action: Action | typeof PLANT): void {
    if (action.kind === 'commit') {
      this.source = action.content;
      this.#seq += 1;
      this.#events.push({ seq: this.#seq, content: action.content, state: 'pending' });
    } else if (action.kind === 'read-afresh') this.#fresh = { seq: this.#seq, content: this.source };
    else if (action.kind === 'write-afresh') this.#writeAfresh();
    else if (action.kind === 'plant') this.target = this.target === 'a' ? 'b' : 'a';
    else if ('which' in action) this.#deliver(action.kind, action.which);
  }

  #deliver(step: 'apply' | 'mark' | 'collide', which: number): void {
    const open = this.#events.filter(({ state }) => state === (step === 'mark' ? 'applied' : 'pending'));
    const event = open[which % Math.max(1, open.length)];
    if (event === undefined) return;
    if (step === 'mark') event.state = 'ended';
    else if (step === 'apply') {
      event.state = 'applied';
      if (event.seq > this.version.seq) this.#write(`E${event.seq}`, event.seq, event.content);
    } else {
      // Queued in the transaction that decides, marked afterwards: nothing lies between them for a reader.
      this.#queued = true;
      event.state = 'ended';
    }
  }

  #writeAfresh(): void {
    const read = this.#fresh;
    this.#fresh = null;
    if (read === null) return;
    if (read.seq >= this.version.seq) this.#write(`S${read.seq}`, read.seq, read.content);
    // Only a read of after the queueing ends it; an earlier one leaves the entry.
    if (read.seq === this.#seq) this.#queued = false;
  }

  #write(label: string, seq: number, content: Content): void {
    this.version = { label, seq };
    this.written = content;
    this.target = content;
  }

  isOpen(): boolean {
    return this.#events.some(({ state }) => state !== 'ended');
  }

  isQueued(): boolean {
    return this.#queued;
  }

  deliverAll(): void {
    for (const step of ['apply', 'mark'] as const)
      while (this.#events.some(({ state }) => state === (step === 'apply' ? 'pending' : 'applied')))
        this.#deliver(step, 0);
    this.act({ kind: 'read-afresh' });
    this.act({ kind: 'write-afresh' });
  }
}

interface Weakness {
  readonly order?: readonly Read[];
  readonly withoutVersion?: boolean;
  readonly withoutQueue?: boolean;
}

/** One sight; `between` is asked for what happens before each of its reads. */
function look(world: World, between: readonly (readonly Action[])[], weakness: Weakness = {}): RowSight {
  const seen = { legacy: null as Content, target: null as Content, open: false, queued: false, version: '' };
  for (const [index, read] of (weakness.order ?? READS).entries()) {
    for (const action of between[index] ?? []) world.act(action);
    if (read === 'source') seen.legacy = world.source;
    else if (read === 'open') seen.open = world.isOpen();
    else if (read === 'record') {
      seen.queued = world.isQueued();
      seen.version = world.version.label;
    } else {
      seen.target = world.target;
      world.tampered.push(world.target !== world.written);
    }
  }
  return {
    rowKey: '[1]',
    tenant: 'acme',
    legacy: seen.legacy,
    target: seen.target,
    inFlight: seen.open || (seen.queued && weakness.withoutQueue !== true),
    setAside: null,
    version: weakness.withoutVersion === true ? null : seen.version,
  };
}

/** Rounds as `settle` makes them, until there is a verdict. */
function settle(world: World, between: readonly (readonly Action[])[], weakness: Weakness = {}): Verdict {
  let before: Stand | undefined;
  let verdict: Verdict = 'converged';
  for (let round = 0; round * READS.length < between.length; round++) {
    const now = look(world, between.slice(round * READS.length, (round + 1) * READS.length), weakness);
    verdict = judgeRow(before, now);
    if (verdict === 'converged' || verdict === 'drift' || (verdict === 'in-flight' && round > 0)) return verdict;
    before = standOf(now);
  }
  return verdict;
}

const RUNS = { numRuns: 20_000, seed: 7 };
const neverDrifts = (weakness: Weakness) =>
  fc.check(
    fc.property(gaps(4), (between) => settle(new World(), between, weakness) !== 'drift'),
    { ...RUNS, numRuns: 60_000 },
  );

describe('a row under any interleaving', () => {
  it('is never drift unless somebody else has written to the receiver', () => {
    expect(neverDrifts({}).counterexample).toBeNull();
  });

  it('is drift in the second read when it was planted and stands still', () => {
    fc.assert(
      fc.property(gaps(1), (before) => {
        const world = new World();
        for (const action of before.flat()) world.act(action);
        world.deliverAll();
        world.act(PLANT);
        expect(
          settle(
            world,
            Array.from({ length: 8 }, () => []),
          ),
        ).toBe('drift');
      }),
      RUNS,
    );
  });

  it('is drift only when the planted content was there at the first of the two reads, whatever goes on around it', () => {
    let drifted = 0;
    fc.assert(
      fc.property(gaps(1), gaps(4), (before, between) => {
        const world = new World();
        for (const action of before.flat()) world.act(action);
        world.act(PLANT);
        if (settle(world, between) !== 'drift') return;
        drifted += 1;
        expect(world.tampered.at(-2)).toBe(true);
      }),
      RUNS,
    );
    expect(drifted).toBeGreaterThan(20);
  });

  it.each([
    ['the version of the receiver is not compared', { withoutVersion: true }],
    ['what is open is read before the source', { order: ['open', 'source', 'record', 'receiver'] }],
    ['queued repairs do not count as on their way', { withoutQueue: true }],
  ] satisfies [string, Weakness][])('would be called drift where %s', (_, weakness) => {
    expect(neverDrifts(weakness).counterexample).not.toBeNull();
  });

  it('would be called drift where the receiver is read before what is open', () => {
    const order: readonly Read[] = ['source', 'record', 'receiver', 'open'];
    const deliver: readonly Action[] = [
      { kind: 'apply', which: 0 },
      { kind: 'mark', which: 0 },
    ];
    const commit = (content: Content): Action => ({ kind: 'commit', content });
    // It goes to b and back to a, each time behind the back of one of the reads.
    const between = [[], [commit('b'), ...deliver], [], [], [commit('a')], [], [], deliver];

    expect(settle(new World(), between, { order })).toBe('drift');
    expect(settle(new World(), between)).not.toBe('drift');
  });
});

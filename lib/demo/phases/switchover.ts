/** Phase 4, writes: authority moves while the shop goes on; then the proof that nothing was lost on the way. */
import pg from 'pg';
import { STORES } from '../../domain/direction.ts';
import { passDriftGate } from '../cycles.ts';
import type { Demo, DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { prove } from '../proof/prove.ts';
import { runUntil, seconds } from '../runs.ts';

export const switchoverPhase: DemoPhase = {
  title: 'Phase 4: switchover',
  about: 'legacy is fenced and drained, authority moves to the target, and the relay runs the other way',
  limitSeconds: 120,
  run: async (demo) => {
    const { story, traffic, watch, facts } = demo;
    story.note('the drift gate is judged again, on a fresh cycle');
    await passDriftGate(demo);
    await runUntil(demo, 'start switchover', 'passed');
    const before = traffic.counts().writesBy.target;
    await watch.until(
      'the shop writes to the target',
      30_000,
      () => traffic.counts().writesBy.target >= before + ENOUGH_WRITES,
    );
    const pause = traffic.writePauseMs();
    if (pause === undefined) throw new DemoFailure('no write followed the authority to the target');
    facts.writePauseMs = Math.round(pause);
    story.result(
      `the shop follows by itself: ${traffic.counts().refused} tries met a fence, the longest gap between two acknowledged writes was ${facts.writePauseMs} ms`,
    );
  },
};

export const proofPhase: DemoPhase = {
  title: 'Proof',
  about: "plain SQL of the demo's own, while the reverse relay still keeps both stores equal",
  limitSeconds: 60,
  run: async (demo) => {
    const { story, traffic, watch, facts, urls, shop } = demo;
    await traffic.holdWrites();
    story.note('the shop holds its writes; the reverse relay drains');
    await watch.until('the reverse relay drains', 30_000, (now) => now !== null && now.events === 0);
    const started = performance.now();
    const proof = await prove({ urls, ledger: traffic.ledger, authoritative: traffic.store, seeded: shop.seeded });
    facts.proof = proof;
    facts.delivered = await countDelivered(demo);
    for (const { table, same, missing, extra, different, ledgerKeys, held } of proof.tables) {
      story.note(
        `  ${table.padEnd(12)} ${String(same).padStart(7)} rows equal, ${missing} missing, ${extra} extra, ${different} different; ${held} of ${ledgerKeys} written keys hold their last acknowledged state`,
      );
    }
    if (!proof.proved) throw new DemoFailure(`the proof failed: ${proof.contradictions.join('; ')}`);
    if (proof.acknowledgedWrites === 0) throw new DemoFailure('the proof is empty: no write was acknowledged');
    story.result(
      `proved in ${seconds(performance.now() - started)}: ${proof.rows} rows are equal in both stores by the plan's mapping, and the last acknowledged state of all ${proof.ledgerKeys} keys (${proof.acknowledgedWrites} writes) is in the ${traffic.store} store`,
    );
    traffic.resumeWrites();
  },
};

/** Row writes after which the move is a fact and the reverse relay has work. */
const ENOUGH_WRITES = 150;

async function countDelivered({ urls }: Demo): Promise<Readonly<Record<'forward' | 'reverse', number>>> {
  const [forward, reverse] = await Promise.all(
    STORES.map(async (store) => {
      const client = new pg.Client({ connectionString: urls[store] });
      await client.connect();
      try {
        const { rows } = await client.query<{ events: number }>(
          "SELECT count(*)::integer AS events FROM crossfade.outbox WHERE state IN ('published', 'superseded', 'covered')",
        );
        return rows[0]?.events ?? 0;
      } finally {
        await client.end();
      }
    }),
  );
  return { forward: forward ?? 0, reverse: reverse ?? 0 };
}

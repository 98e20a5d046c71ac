/** Phase 5: the way back is closed, and the target alone answers for every acknowledged write. */
import type { StatusPayload } from '../../application/operate/status-payload.ts';
import type { DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { prove } from '../proof/prove.ts';
import { runUntil } from '../runs.ts';

export const decommissionPhase: DemoPhase = {
  title: 'Phase 5: decommission',
  about: 'audit, archive, restore drill, and the reverse relay is retired',
  limitSeconds: 120,
  run: async (demo) => {
    const { commands, story, traffic, urls, shop, facts } = demo;
    await runUntil(demo, 'start decommission', 'passed');
    const { payload } = await commands.run<StatusPayload>('status');
    story.result(
      `phase ${payload.phase}; the ${payload.authority.authoritative} store is authoritative; next: ${payload.next}`,
    );
    if (payload.phase !== 'complete')
      throw new DemoFailure(`the migration is in phase ${payload.phase} after decommission, expected complete`);
    await traffic.stop();
    // The stores part from here on, so only the target is asked.
    const proof = await prove({ urls, ledger: traffic.ledger, authoritative: 'target', seeded: shop.seeded });
    const held = proof.tables.reduce((sum, table) => sum + table.held, 0);
    facts.finalProof = { ledgerKeys: proof.ledgerKeys, held };
    if (held !== proof.ledgerKeys) {
      const lost = proof.contradictions.filter((line) => line.includes('acknowledged'));
      throw new DemoFailure(
        `after decommission ${proof.ledgerKeys - held} acknowledged writes are not in the target: ${lost.join('; ')}`,
      );
    }
    story.result(
      `the shop has stopped; all ${held} keys that it ever wrote hold their last acknowledged state in the target`,
    );
  },
};

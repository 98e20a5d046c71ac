/** Phase 5: the way back is closed, and the target alone answers for every acknowledged write. */
import type { StatusPayload } from '../../application/operate/status-payload.ts';
import type { Demo, DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { prove } from '../proof/prove.ts';
import { runUntil } from '../runs.ts';

export const decommissionPhase: DemoPhase = {
  title: 'Phase 5: decommission',
  about: 'audit, archive, restore drill, and the reverse relay is retired',
  limitSeconds: 120,
  run: async (demo) => {
    const { story, traffic, urls, shop, facts } = demo;
    await runUntil(demo, 'start decommission', 'passed');
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
    await checkStatus(demo);
  },
};

async function checkStatus({ commands, story }: Demo): Promise<void> {
  const { payload } = await commands.run<StatusPayload>('status');
  const { phase, authority, tenants, queues, openDrift } = payload;
  story.result(`phase ${phase}; the ${authority.authoritative} store is authoritative; next: ${payload.next}`);
  const open = tenants.filter(({ stage }) => stage !== 'complete').map(({ tenant }) => tenant);
  if (authority.authoritative !== 'target' || open.length > 0) {
    throw new DemoFailure(
      `after decommission ${authority.authoritative} is authoritative, not complete: ${open.join(', ') || 'none'}`,
    );
  }
  const dead = queues.reduce((sum, { depth }) => sum + (depth?.dead ?? 0), 0);
  if (dead > 0 || openDrift > 0)
    throw new DemoFailure(`${dead} dead letters and ${openDrift} open differences are left`);
  if (phase !== 'complete') throw new DemoFailure(`status says phase ${phase} after decommission, expected complete`);
}

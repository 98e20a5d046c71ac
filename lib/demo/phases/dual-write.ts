/** Phase 2: capture, and the tenants exposed step by step, while the shop goes on selling. */
import type { StatusPayload } from '../../application/operate/status-payload.ts';
import type { DemoPhase } from '../demo.ts';
import { runUntil, seconds } from '../runs.ts';

export const dualWritePhase: DemoPhase = {
  title: 'Phase 2: dual-write',
  about: 'legacy stays authoritative; every write reaches the target through the outbox',
  limitSeconds: 90,
  run: async (demo) => {
    const { commands, story, watch } = demo;
    await runUntil(demo, 'start dual-write', 'passed');
    const { payload } = await commands.run<StatusPayload>('status');
    const stages = Map.groupBy(payload.tenants, ({ stage }) => stage);
    const shown = [...stages].map(([stage, tenants]) => `${tenants.length} in stage ${stage}`).join(', ');
    const lag = await watch.undelivered();
    story.result(
      `tenants: ${shown}; the oldest of ${lag?.events ?? 0} undelivered events is ${seconds(lag?.oldestMs ?? 0)} old`,
    );
  },
};

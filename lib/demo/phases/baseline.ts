/** Phase 1: the stores fit each other. Also shows that a machine that is started too early refuses. */
import type { PlanCheckPayload } from '../../application/operate/check-plan.ts';
import type { Demo, DemoPhase } from '../demo.ts';
import { runUntil } from '../runs.ts';
import { PLAN_FILE } from '../shop-plan.ts';

export const baselinePhase: DemoPhase = {
  title: 'Phase 1: baseline',
  about: 'do both stores accept the same writes?',
  limitSeconds: 60,
  run: async (demo) => {
    await checkPlan(demo);
    await runUntil(demo, 'start baseline --dry-run', 'passed');
    demo.story.note('an impatient operator starts the backfill before its time:');
    await runUntil(demo, 'start backfill', 'refused');
    await runUntil(demo, 'start baseline', 'passed', 'passing');
  },
};

/** The rehearsal's values stand beside the guide's. */
async function checkPlan({ commands, story }: Demo): Promise<void> {
  const { payload } = await commands.run<PlanCheckPayload>(`plan check ${PLAN_FILE}`);
  const deviations = payload.deviations.map(({ path, value, guide }) => `${path} ${value} (guide: ${guide})`);
  story.result(`the plan is valid; ${deviations.length} values are shortened, which only a dev plan may:`);
  for (let at = 0; at < deviations.length; at += 3) story.note(`  ${deviations.slice(at, at + 3).join(' · ')}`);
}

/** Phase 3, comparison: cycles, the second mishap (a rogue write on the target), its repair, and the soak of the drift gate. */
import pg from 'pg';
import { cycleSince, passDriftGate, runCycle } from '../cycles.ts';
import type { Demo, DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { seconds } from '../runs.ts';

export const reconcilePhase: DemoPhase = {
  title: 'Phase 3: reconcile',
  about: 'chunks of both stores are compared; rows in flight are not drift',
  limitSeconds: 150,
  run: async (demo) => {
    const first = await runCycle(demo, 'told');
    if (first.drift > 0)
      throw new DemoFailure(`the first cycle found ${first.drift} rows of drift where none was planted`);
    await writePastTheFence(demo);
    demo.story.note('the soak of the drift gate starts now that all is well');
    await passDriftGate(demo);
  },
};

/** Rows that no traffic touches, so that each must be found and nothing else. */
const ROGUE_WRITES = [
  {
    kind: 'different',
    rows: 5,
    sql: "UPDATE visits SET page = '/rogue' WHERE id IN (SELECT md5('visit-' || n)::uuid FROM generate_series(1, 5) AS n)",
  },
  {
    kind: 'missing',
    rows: 3,
    sql: "DELETE FROM visits WHERE id IN (SELECT md5('visit-' || n)::uuid FROM generate_series(101, 103) AS n)",
  },
  {
    kind: 'extra',
    rows: 2,
    sql: "INSERT INTO visits (id, tenant_id, page, at) SELECT md5('rogue-' || n)::uuid, 'acme', '/rogue', now() FROM generate_series(1, 2) AS n",
  },
  { kind: 'different', rows: 1, sql: "UPDATE currencies SET label = 'Rogue' WHERE code = 'JPY'" },
] as const;
const ROGUE_TABLES = ['visits', 'currencies'] as const;
const PLANTED = ROGUE_WRITES.reduce((sum, { rows }) => sum + rows, 0);

async function writePastTheFence(demo: Demo): Promise<void> {
  const { story, facts } = demo;
  const what = 'a rogue write on the target';
  story.mishap(
    `mishap 2: a superuser disables the fence of ${ROGUE_TABLES.join(' and ')} on the target and spoils ${PLANTED} rows`,
  );
  const plantedAt = new Date().toISOString();
  const started = performance.now();
  await plant(demo);
  const found = await cycleSince(demo, plantedAt);
  if (found.drift !== PLANTED)
    throw new DemoFailure(`${PLANTED} rows were spoilt on the target and the cycle found ${found.drift}`);
  story.note(
    `the cycle found exactly the ${found.drift} spoilt rows among ${found.rows} and repaired ${found.repaired} of them`,
  );
  if (found.repaired !== PLANTED) throw new DemoFailure(`${found.repaired} of ${PLANTED} spoilt rows were repaired`);
  const clean = await cycleSince(demo, new Date().toISOString());
  if (clean.drift > 0)
    throw new DemoFailure(`after the repair the next cycle still found ${clean.drift} rows of drift`);
  const healedInMs = performance.now() - started;
  story.healed(`healed: the next cycle is clean, ${seconds(healedInMs)} after the rogue write`);
  facts.driftFound = found.drift;
  facts.driftRepaired = found.repaired;
  facts.mishaps.push({
    what,
    handled: `${found.drift} rows found, ${found.repaired} repaired, next cycle clean`,
    healedInMs,
  });
}

async function plant({ urls }: Demo): Promise<void> {
  const rogue = new pg.Client({ connectionString: urls.target, application_name: 'rogue' });
  await rogue.connect();
  try {
    await rogue.query('BEGIN');
    for (const table of ROGUE_TABLES) await rogue.query(`ALTER TABLE ${table} DISABLE TRIGGER crossfade_fence`);
    for (const { sql } of ROGUE_WRITES) await rogue.query(sql);
    for (const table of ROGUE_TABLES) await rogue.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER crossfade_fence`);
    await rogue.query('COMMIT');
  } finally {
    await rogue.end();
  }
}

/** Phase 3, comparison: cycles, the second mishap (a rogue write on the target), its repair, and the soak of the drift gate. */
import pg from 'pg';
import type { DriftStatusPayload } from '../../application/operate/drift.ts';
import type { Chatter } from '../commands.ts';
import type { Demo, DemoPhase } from '../demo.ts';
import { DemoFailure } from '../demo.ts';
import { runToEnd, seconds, tellRun } from '../runs.ts';
import { sleep } from '../watch.ts';

export const reconcilePhase: DemoPhase = {
  title: 'Phase 3: reconcile',
  about: 'chunks of both stores are compared; rows in flight are not drift',
  limitSeconds: 150,
  run: async (demo) => {
    const first = await runCycle(demo, 'told');
    if (first.drift > 0)
      throw new DemoFailure(`the first cycle found ${first.drift} rows of drift where none was planted`);
    await writePastTheFence(demo);
    await soak(demo);
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

interface Cycle {
  readonly startedAt: string;
  readonly rows: number;
  readonly drift: number;
  readonly repaired: number;
  readonly status: DriftStatusPayload;
}

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

/** The gate wants a clean stretch of cycles; EventBridge fires one a minute, and the operator fires more. */
async function soak(demo: Demo): Promise<void> {
  const { story } = demo;
  story.note('the soak of the drift gate starts now that all is well');
  for (;;) {
    const { status } = await runCycle(demo);
    const { clock } = status;
    story.note(
      `drift clock: clean for ${seconds(clock.cleanMs)} of ${seconds(clock.neededMs)} (guide: 72 h), ${clock.drift} rows of drift among ${clock.rows}`,
    );
    if (clock.pass) break;
  }
  story.result('the drift gate may pass');
}

/** A cycle that began after `moment`; one that the schedule fired meanwhile does as well. */
async function cycleSince(demo: Demo, moment: string): Promise<Cycle> {
  for (;;) {
    const cycle = await runCycle(demo);
    if (cycle.startedAt >= moment) return cycle;
  }
}

/** One cycle by command; while another one runs this one is refused, and that one is waited for. */
async function runCycle(demo: Demo, chatter: Chatter = 'passing'): Promise<Cycle> {
  const { commands, story } = demo;
  const run = await runToEnd(demo, 'reconcile', chatter);
  if (run.state === 'refused') {
    if (!run.reasons.some((reason) => /run/i.test(reason)))
      throw new DemoFailure(`reconcile refused: ${run.reasons.join('; ')}`);
    story.note('a cycle that EventBridge fired is under way; waiting for it');
    await sleep(2_000);
  } else if (run.state === 'passed' || run.state === 'differences') {
    if (chatter === 'told') tellRun(demo, run);
    else
      story.result(`reconcile: ${run.state}; ${run.notes.find((note) => note.includes('rows drift ')) ?? 'no count'}`);
  } else {
    throw new DemoFailure(`reconcile ended as ${run.state}: ${run.error ?? run.reasons.join('; ')}`);
  }
  const { payload } = await commands.ask<DriftStatusPayload>('drift status');
  const { last } = payload.clock;
  if (last === null) return { startedAt: '', rows: 0, drift: 0, repaired: 0, status: payload };
  const repaired = payload.tables.reduce((sum, table) => sum + table.repaired, 0);
  return { startedAt: last.startedAt, rows: last.rows, drift: last.drift, repaired, status: payload };
}

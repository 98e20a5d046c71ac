/** `npm run demo`: a whole migration under live traffic, with mishaps, proved at the end. Resolves with the exit code. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreName } from '../domain/direction.ts';
import { CHECKOUT, CROSSFADE_FOLDER, LOCAL_REGION } from '../local/checkout.ts';
import { startEnvironment } from '../local/environment.ts';
import { type LifetimeScope, openLifetimeScope } from '../local/lifetime-scope.ts';
import { type LocalStore, ownerRole, ownStores } from '../local/stores.ts';
import { readApiUrl } from './api-url.ts';
import { createCommands } from './commands.ts';
import { type Demo, DemoFailure, type DemoPhase, type Facts } from './demo.ts';
import { backfillPhase } from './phases/backfill.ts';
import { baselinePhase } from './phases/baseline.ts';
import { cutoverPhase } from './phases/cutover.ts';
import { decommissionPhase } from './phases/decommission.ts';
import { dualWritePhase } from './phases/dual-write.ts';
import { reconcilePhase } from './phases/reconcile.ts';
import { proofPhase, switchoverPhase } from './phases/switchover.ts';
import { type PreparedShop, prepareShop } from './prepare-shop.ts';
import { renderReport, type SummaryRow } from './report/html.ts';
import { PLAN_FILE } from './shop-plan.ts';
import { createStory, formatElapsed, type Story, type StoryOutput } from './story.ts';
import { summarise } from './summary.ts';
import { openApi } from './traffic/api.ts';
import { startTraffic, type Traffic } from './traffic/traffic.ts';
import { startWatch, type Watch } from './watch.ts';
import { withinLimit } from './within-limit.ts';

export interface DemoOptions {
  readonly seed: number;
  /** Transactions of the shop a second. */
  readonly rate?: number | undefined;
  readonly output: StoryOutput;
}

const DEMO_FOLDER = join(CROSSFADE_FOLDER, 'demo');
const ENVIRONMENT_LIMIT_SECONDS = 150;

const PHASES: readonly DemoPhase[] = [
  baselinePhase,
  dualWritePhase,
  backfillPhase,
  reconcilePhase,
  cutoverPhase,
  switchoverPhase,
  proofPhase,
  decommissionPhase,
];

export async function runDemo({ seed, rate, output }: DemoOptions): Promise<number> {
  const startedAt = new Date();
  const story = createStory(output, () => performance.now());
  const scope = openLifetimeScope({ onSignal: () => story.plain('\ninterrupted; ending what was started') });
  const known: Known = { facts: { mishaps: [] } };
  let failure: string | undefined;
  story.banner([
    'Crossfade: a migration under live traffic, on this machine',
    `seed ${seed} · everything lies in ${DEMO_FOLDER}`,
  ]);
  try {
    const demo = await setUp(story, scope, { seed, rate }, known);
    for (const phase of PHASES) await runPhase(demo, phase);
    if (demo.traffic.problems().length > 0)
      throw new DemoFailure(`the shop saw what it must not: ${demo.traffic.problems().slice(0, 3).join('; ')}`);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    // The scope ends everything and then this process.
    if (scope.signal.aborted) return new Promise<never>(() => {});
    story.failure(failure);
    for (const problem of known.traffic?.problems().slice(0, 5) ?? []) story.note(`the shop saw: ${problem}`);
    story.note(`logs: ${DEMO_FOLDER} (emulator/emulator.log, data-api.log, deploy/*.log)`);
  }
  const samples = known.watch?.samples ?? [];
  const counts = known.traffic?.counts();
  const summary = counts === undefined ? [] : summarise(known.facts, counts, samples);
  tellSummary(story, summary);
  const file = writeReport({ failure, startedAt, totalMs: story.elapsedMs(), seed, summary, known, story });
  story.plain(`\nreport: ${file}`);
  story.plain('ending the servers');
  await scope.close();
  story.plain(
    `${failure === undefined ? 'done, everything was as it should be' : 'FAILED'}; total ${formatElapsed(story.elapsedMs()).trim()} min`,
  );
  return failure === undefined ? 0 : 1;
}

/** What there is so far, for the report of a demo that fails half way. */
interface Known {
  readonly facts: Facts;
  traffic?: Traffic;
  watch?: Watch;
}

async function setUp(
  story: Story,
  scope: LifetimeScope,
  { seed, rate }: Pick<DemoOptions, 'seed' | 'rate'>,
  known: Known,
): Promise<Demo> {
  story.section(
    'Environment',
    'two PostgreSQL servers, an AWS emulator with checked signatures, the Data API, and cdk deploy',
  );
  mkdirSync(DEMO_FOLDER, { recursive: true });
  let shop: PreparedShop | undefined;
  const prepare = async (stores: Readonly<Record<StoreName, LocalStore>>) => {
    shop = await prepareShop({ legacy: withOwner(stores.legacy), target: withOwner(stores.target) });
    const rows = Object.values(shop.seeded).reduce((sum, count) => sum + count, 0);
    story.result(
      `a shop in legacy: ${Object.keys(shop.seeded).length} tables, ${rows} rows, 8 tenants; the target is empty and has another shape`,
    );
  };
  // Databases of the caller's own are not filled by the environment, which wants the tables to be there.
  const own = ownStores();
  if (own !== undefined) await prepare(own);
  const environment = await withinLimit(
    'Environment',
    ENVIRONMENT_LIMIT_SECONDS,
    startEnvironment({
      folder: DEMO_FOLDER,
      planFile: join(CHECKOUT, PLAN_FILE),
      prepare,
      scope,
      progress: (line) => (/\d+ of \d+ resources/.test(line) ? story.live(line) : story.note(line)),
    }),
  );
  Object.assign(process.env, environment.variables);
  process.chdir(CHECKOUT);
  if (shop === undefined) throw new DemoFailure('the shop could not be prepared');
  const urls = { legacy: environment.stores.legacy.url, target: environment.stores.target.url };
  const api = openApi({
    apiUrl: await readApiUrl(environment),
    endpoint: environment.endpoint,
    region: LOCAL_REGION,
    credentials: environment.credentials,
  });
  scope.defer(() => api.close());
  const traffic = startTraffic({
    seed,
    urls: shop.applicationUrls,
    api,
    readPath: environment.plan.reads.route,
    transactionsPerSecond: rate,
  });
  scope.defer(() => traffic.stop());
  known.traffic = traffic;
  const watch = startWatch({ story, traffic, urls });
  scope.defer(() => watch.stop());
  known.watch = watch;
  story.result('the shop is open: writers and readers run from now on until the end');
  const commands = createCommands(story, { ...process.env, CROSSFADE_PLAN: environment.plan.name });
  return { story, environment, commands, shop, api, traffic, watch, urls, facts: known.facts };
}

async function runPhase(demo: Demo, { title, about, limitSeconds, run }: DemoPhase): Promise<void> {
  demo.story.section(title, about);
  await withinLimit(title, limitSeconds, run(demo));
  const [problem] = demo.traffic.problems();
  if (problem !== undefined) throw new DemoFailure(`in ${title} the shop saw what it must not: ${problem}`);
}

function withOwner(store: LocalStore) {
  return { url: store.url, ...(store.own ? {} : { owner: ownerRole(store.database) }) };
}

function tellSummary(story: Story, summary: readonly SummaryRow[]): void {
  const width = Math.max(0, ...summary.map(([name]) => name.length));
  story.plain('');
  for (const [name, value] of summary) story.plain(`  ${name.padEnd(width)}  ${value}`);
}

/** Also when it failed: the reason stands at its top. */
function writeReport(input: {
  readonly failure: string | undefined;
  readonly startedAt: Date;
  readonly totalMs: number;
  readonly seed: number;
  readonly summary: readonly SummaryRow[];
  readonly known: Known;
  readonly story: Story;
}): string {
  const { known, story, ...shown } = input;
  const proof = (known.facts.proof?.tables ?? []).map((each) =>
    [each.table, each.same, each.missing, each.extra, each.different, each.ledgerKeys, each.held].map(String),
  );
  const file = join(DEMO_FOLDER, 'report.html');
  mkdirSync(DEMO_FOLDER, { recursive: true });
  writeFileSync(file, renderReport({ ...shown, proof, events: story.events, samples: known.watch?.samples ?? [] }));
  return file;
}

/**
 * Step `maintain`: VACUUM (ANALYZE) and REINDEX INDEX CONCURRENTLY of the target's tables. What a role or a driver cannot do is
 * said with the command for an administrator; it never holds up the end of a migration whose capture is already retired.
 */
import type { MigratedTable } from '../../../domain/table.ts';
import { SqlError, type SqlStore } from '../../../ports/sql.ts';
import {
  countVacuumRuns,
  dropIndex,
  reindex,
  type VacuumRunsRow,
  vacuumTable,
} from '../../../sql/decommission/maintenance.ts';
import { quoteRelation } from '../../../sql/identifier.ts';
import type { Deps } from '../../deps.ts';
import { loadMigration, type Migration } from '../../migration.ts';
import { readStoreTables } from '../../read-store-tables.ts';
import { again, proceed, type Step } from '../step.ts';
import { CALL_MS } from './phase.ts';

/** About what a REINDEX gets through in the 45 s of a Data API statement; a larger one would be broken off half way. */
const DATA_API_INDEX_BYTES = 512 * 1024 * 1024;

interface Job {
  readonly id: string;
  /** As an administrator would type it. */
  readonly command: string;
  /** @returns why it did not happen, or undefined. */
  readonly run: (store: SqlStore) => Promise<string | undefined>;
}

interface MaintainState {
  readonly work: 'maintain';
  readonly done: readonly string[];
  readonly left: readonly string[];
}

export const maintain: Step = async (deps, run, data) => {
  const jobs = await listJobs(await loadMigration(deps));
  if (run.dryRun) return proceed({ notes: jobs.map(({ command }) => `would run ${command}`) });
  const until = deps.clock.now().getTime() + CALL_MS;
  let state: MaintainState = isMaintainState(data) ? data : { work: 'maintain', done: [], left: [] };
  const store = deps.databases.open('target', 'install');
  for (const job of jobs.filter(({ id }) => !state.done.includes(id))) {
    if (deps.clock.now().getTime() >= until)
      return again(0, { data: state, notes: [`${state.done.length} of ${jobs.length} done`] });
    const why = await attempt(deps, job, store);
    const left = why === undefined ? state.left : [...state.left, `${why}; an administrator may run: ${job.command}`];
    state = { ...state, done: [...state.done, job.id], left };
  }
  return proceed({
    notes: [`${state.done.length - state.left.length} of ${jobs.length} maintenance statements ran`, ...state.left],
  });
};

async function listJobs({ deps, tables }: Migration): Promise<readonly Job[]> {
  const stores = await readStoreTables(deps.databases, 'target', tables);
  return tables.flatMap((table) => {
    const indexes = stores.get(table.name)?.indexes ?? [];
    const rebuilt = indexes.filter(({ exclusion, partitioned }) => !exclusion && !partitioned);
    return [
      vacuumJob(table),
      ...rebuilt.map(({ name, bytes }) => reindexJob(deps, { schema: table.schema, relation: name }, bytes)),
    ];
  });
}

function vacuumJob(table: MigratedTable): Job {
  return {
    id: `vacuum ${table.name}`,
    command: vacuumTable(table).text,
    run: async (store) => {
      const [before] = await store.query<VacuumRunsRow>(countVacuumRuns(table));
      await store.query(vacuumTable(table));
      const [after] = await store.query<VacuumRunsRow>(countVacuumRuns(table));
      // A role without the right to it is only warned.
      return before?.runs === after?.runs
        ? `${table.name} was not vacuumed: the role of purpose install does not own it`
        : undefined;
    },
  };
}

function reindexJob(deps: Deps, index: { readonly schema: string; readonly relation: string }, bytes: number): Job {
  const command = reindex(index).text;
  return {
    id: `reindex ${quoteRelation(index)}`,
    command,
    run: async (store) => {
      if (deps.plan.target.driver === 'rds-data' && bytes > DATA_API_INDEX_BYTES)
        return `${index.relation} is too large to be rebuilt within a statement of the Data API`;
      try {
        await store.query(reindex(index));
        return undefined;
      } catch (error) {
        // A rebuild that broke off leaves an invalid index beside the old one.
        await store
          .query(dropIndex({ schema: index.schema, relation: `${index.relation}_ccnew` }))
          .catch(() => undefined);
        throw error;
      }
    },
  };
}

async function attempt(deps: Deps, job: Job, store: SqlStore): Promise<string | undefined> {
  try {
    return await job.run(store);
  } catch (error) {
    if (!(error instanceof SqlError) || error.kind === 'unavailable') throw error;
    deps.log.warn('maintenance was refused', { job: job.id, sqlState: error.sqlState });
    return `${job.id}: ${error.message}`;
  }
}

/** The step's own data comes back as JSON; any other data is of the step before. */
function isMaintainState(data: unknown): data is MaintainState {
  return typeof data === 'object' && data !== null && 'work' in data && data.work === 'maintain';
}

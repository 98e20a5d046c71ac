/**
 * Once a minute: what could let writes escape or foreign ones in, and who wrote past the fence, become incidents; each is a metric
 * with an alarm. An incident closes when it is verified, or when a person says so; never because somebody put the trigger back.
 */
import type { CycleDocument, Mark } from '../../contracts/documents.ts';
import { type Direction, receiverOf, STORES, type StoreName } from '../../domain/direction.ts';
import {
  closeForeignWrites,
  closeRepairedWrites,
  type ForeignWritesRow,
  openForeignWrites,
} from '../../sql/foreign/foreign-writes.ts';
import type { Deps } from '../deps.ts';
import { findBypasses } from '../install/bypass.ts';
import { watchKeyIndexes } from '../install/look-at-key-indexes.ts';
import type { Migration } from '../migration.ts';
import {
  closeIncident,
  type Incident,
  incidentId,
  mendIncident,
  openIncidents,
  type Seen,
  seeIncident,
} from './incidents.ts';

/** Row keys that an incident names. */
const SAMPLED = 20;

export async function watchStores(migration: Migration, direction: Direction): Promise<void> {
  const { deps } = migration;
  await watchKeyIndexes(migration);
  const found = [
    ...(await seeBypasses(migration, direction)),
    ...(await seeForeignWrites(deps, receiverOf(direction))),
  ];
  for (const store of STORES) {
    const writes = found.filter((seen) => seen.store === store).reduce((sum, { count }) => sum + count, 0);
    deps.metrics.record('foreignWrites', writes, { store });
  }
  await settleBypasses(deps, receiverOf(direction), new Set(found.map(incidentId)));
}

async function seeBypasses(migration: Migration, direction: Direction): Promise<readonly Seen[]> {
  const { deps } = migration;
  const now = deps.clock.now().toISOString();
  const found = (await findBypasses(migration, direction)).map(
    ({ store, kind, object, says }): Seen => ({
      kind: 'bypass',
      store,
      subject: `${kind}/${object}`,
      says,
      count: 1,
      sample: [],
      firstAt: now,
      lastAt: now,
    }),
  );
  for (const seen of found) await seeIncident(deps, seen);
  return found;
}

/**
 * On the receiver a bypass that is over is over: what came in is an incident of its own, or drift. On the source writes may have
 * escaped: it is closed by a clean full pass that began afterwards, or by a person.
 */
async function settleBypasses(deps: Deps, receiver: StoreName, found: ReadonlySet<string>): Promise<void> {
  const mended = (await openIncidents(deps)).filter(({ kind, id }) => kind === 'bypass' && !found.has(id));
  if (mended.length === 0) return;
  const cycles = (await deps.documents.list('cycle', { descending: true, limit: 20 })).map(({ value }) => value);
  for (const incident of mended) {
    await mendIncident(deps, incident);
    const over = { by: 'watch', at: deps.clock.now().toISOString(), why: 'it is not found any more' };
    const verified = incident.store === receiver ? over : verifies(deps, cycles, incident.mendedAt);
    const mark = incident.closing ?? verified;
    if (mark !== undefined) await closeIncident(deps, incident, mark);
  }
}

/** A table may have cycles of its own: a full pass of some tables says nothing of the others. */
function verifies(deps: Deps, cycles: readonly CycleDocument[], since: string | undefined): Mark | undefined {
  const all = Object.keys(deps.plan.tables);
  const clean = cycles.find(
    (cycle) =>
      since !== undefined &&
      cycle.startedAt > since &&
      cycle.complete &&
      !cycle.failed &&
      cycle.scopeKind === 'full' &&
      (cycle.tables.length === 0 || all.every((table) => cycle.tables.some((each) => each.table === table))) &&
      cycle.drift === 0,
  );
  return clean === undefined
    ? undefined
    : { by: 'reconcile', at: clean.endedAt, why: `the full pass of ${clean.startedAt} found no difference` };
}

/** One incident a writer and table. Rows that were read afresh since are no longer foreign. */
async function seeForeignWrites(deps: Deps, store: StoreName): Promise<readonly Seen[]> {
  const session = deps.databases.open(store, 'apply');
  await session.query(closeRepairedWrites);
  const open = new Map((await openIncidents(deps)).map((incident) => [incident.id, incident]));
  const found: Seen[] = [];
  for (const writes of await session.query<ForeignWritesRow>(openForeignWrites(SAMPLED))) {
    const seen = describeWrites(store, writes);
    const asked = open.get(incidentId(seen))?.closing;
    // What came after the person looked is not what the person closed.
    if (asked !== undefined && asked.at >= writes.last_at) {
      await session.query(closeForeignWrites(writes, asked.by));
      continue;
    }
    await seeIncident(deps, seen);
    found.push(seen);
  }
  const left = new Set(found.map(incidentId));
  for (const incident of open.values()) {
    if (incident.kind !== 'foreign-write' || incident.store !== store || left.has(incident.id)) continue;
    await closeIncident(deps, incident, incident.closing ?? repairedMark(deps, incident));
  }
  return found;
}

function describeWrites(store: StoreName, writes: ForeignWritesRow): Seen {
  const { table_name: table, role_name: role, application_name: application, client_addr: client } = writes;
  const who =
    role === null
      ? 'somebody who had disabled the triggers'
      : `role ${role}, application ${application ?? 'unnamed'}, from ${client ?? 'a local socket'}`;
  return {
    kind: 'foreign-write',
    store,
    subject: `${role ?? 'unknown'}/${application ?? 'unnamed'}/${client ?? 'local'}/${table}`,
    says: `${writes.writes} rows of ${table} in ${store} were written past the fence by ${who}`,
    count: Number(writes.writes),
    sample: JSON.parse(writes.sample),
    firstAt: writes.first_at,
    lastAt: writes.last_at,
  };
}

function repairedMark(deps: Deps, { count }: Incident): Mark {
  return {
    by: 'repair',
    at: deps.clock.now().toISOString(),
    why: `the ${count} rows were read afresh and written as they are in the other store`,
  };
}

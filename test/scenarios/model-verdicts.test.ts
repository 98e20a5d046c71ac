/**
 * Ties the simulation to the product: the model's decisions and the product's own statements, on a real database, give the same
 * verdicts for the same versions, snapshots, doors, floors, epochs and authority numbers.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installSchemas } from '../../lib/application/install/install.ts';
import { tableNamed } from '../../lib/application/migration.ts';
import type { MigratedTable } from '../../lib/domain/table.ts';
import { applyEvents } from '../../lib/sql/apply/apply-events.ts';
import { applySnapshot } from '../../lib/sql/apply/apply-snapshot.ts';
import { compareWithHolder } from '../../lib/sql/apply/collision.ts';
import { claimEvents } from '../../lib/sql/relay/claim-events.ts';
import type { Statement } from '../../lib/sql/statement.ts';
import { closeAdmission, openAdmission } from '../../lib/sql/tenants/admission.ts';
import { type Snapshot, snapshotText } from '../simulation/model/snapshot.ts';
import {
  beatsHolder,
  type Control,
  type Door,
  eventWins,
  type IncomingEvent,
  judgeEvent,
  judgeRead,
  readWins,
  type Stored,
} from '../simulation/model/verdicts.ts';
import { CORRECT } from '../simulation/rules.ts';
import { aMigration, type TestMigration } from '../support/migration.ts';

const CASES = 250;
const TENANTS = ['a', 'b'] as const;

let shop: TestMigration;
let items: MigratedTable;

beforeAll(async () => {
  shop = await aMigration({
    plan: 'tenants: { column: tenant_id }\ntables: { items: {} }',
    legacySql: 'CREATE TABLE items (id int PRIMARY KEY, tenant_id text NOT NULL)',
  });
  await installSchemas(shop.deps);
  items = tableNamed(await shop.load(), 'items');
});

afterAll(() => shop?.close());

describe("the model and the product's statements agree on", () => {
  it('events: which are applied, superseded, covered, or refused by authority', async () => {
    await fc.assert(
      fc.asyncProperty(aControl, someDoors, aStored, anEvent, async (control, doors, stored, event) => {
        const decision = judgeEvent(CORRECT, event, control, doors);
        const isChange = decision === 'write' || decision === 'remove';
        const expected = isChange ? (eventWins(CORRECT, event, stored) ? 'applied' : 'superseded') : decision;

        const found = await rolledBack(async () => {
          await given(control, doors, stored);
          const [verdict] = await run<{ verdict: string }>(
            applyEvents(items, event.direction, {
              id: 'b',
              authority: String(event.authority),
              events: [toApply(event)],
            }),
          );
          return { verdict: verdict?.verdict, rows: await run(ROWS) };
        });

        const rows = expected === 'applied' && decision === 'write' ? [{ tenant_id: event.newTenant }] : [];
        expect(found).toEqual({ verdict: expected, rows });
      }),
      { numRuns: CASES },
    );
  });

  it('reads: which are applied, older, absent or refused', async () => {
    await fc.assert(
      fc.asyncProperty(aControl, someDoors, aStored, aRead, async (control, doors, stored, { hasRow, ...read }) => {
        const decision = judgeRead(CORRECT, read, control, doors, hasRow);
        const isChange = decision === 'write' || decision === 'remove';
        const expected = isChange ? (readWins(CORRECT, read, stored) ? 'applied' : 'newer') : decision;

        const found = await rolledBack(async () => {
          await given(control, doors, stored);
          if (hasRow) await run({ text: `INSERT INTO items VALUES (1, 'held')`, values: [] });
          const row = read.tenant === null ? null : rowOf(read.tenant);
          const [verdict] = await run<{ verdict: string }>(
            applySnapshot(items, read.direction, {
              id: 'b',
              authority: String(read.authority),
              epoch: read.epoch,
              snapshot: snapshotText(read.snapshot),
              rows: [{ rowKey: '[1]', tenant: read.tenant, row }],
            }),
          );
          return { verdict: verdict?.verdict, rows: await run(ROWS) };
        });

        const held = hasRow ? [{ tenant_id: 'held' }] : [];
        const written = decision === 'write' ? [{ tenant_id: read.tenant }] : [];
        expect(found).toEqual({ verdict: expected, rows: expected === 'applied' ? written : held });
      }),
      { numRuns: CASES },
    );
  });

  it('collisions: which of two rows is newer', async () => {
    await fc.assert(
      fc.asyncProperty(aControl, aVersion, aStored, async (control, incoming, holder) => {
        const expected = beatsHolder(CORRECT, incoming, holder, control.floor);

        const [found] = await rolledBack(async () => {
          await given(control, new Map(), holder);
          const under = { authority: String(control.authority), direction: control.direction };
          return run<{ newer: boolean; in_force: boolean }>(
            compareWithHolder('items', '[1]', '[2]', incomingOf(incoming), under),
          );
        });

        expect(found?.newer).toBe(expected);
        expect(found?.in_force).toBe(incoming.epoch === control.sourceEpoch);
      }),
      { numRuns: CASES },
    );
  });

  it('claims: which events are suppressed, and which generations the others carry', async () => {
    const tenant = fc.option(fc.constantFrom(...TENANTS));
    const state = fc.record({ isOn: fc.boolean(), generation: fc.integer({ min: 1, max: 3 }) });
    await fc.assert(
      fc.asyncProperty(tenant, tenant, fc.dictionary(fc.constantFrom(...TENANTS), state), async (was, now, states) => {
        const [old, next] = [was === null ? undefined : states[was], now === null ? undefined : states[now]];
        const isWanted = old?.isOn === true || next?.isOn === true;

        const [claimed] = await rolledBack(async () => {
          await run({ text: 'DELETE FROM crossfade.tenant_state', values: [] });
          for (const [name, { isOn, generation }] of Object.entries(states))
            await run({
              text: 'INSERT INTO crossfade.tenant_state (tenant, generation, is_on) VALUES ($1, $2, $3)',
              values: [name, generation, isOn],
            });
          await run({
            text: `INSERT INTO crossfade.outbox (epoch, xid, idempotency_key, table_name, row_key, op, old_tenant, new_tenant) VALUES (1, '3', 'i', 'items', '[1]', $1, $2, $3)`,
            values: [now === null ? 'D' : 'U', was, now],
          });
          return run<{ seq: string | null; suppressed: string; old_generation: number; new_generation: number }>(
            claimEvents({
              direction: 'forward',
              shard: 0,
              shards: 1,
              holder: 'h',
              leaseMs: 1_000,
              limit: 10,
              troubled: [],
              afterTenant: null,
            }),
          );
        });

        expect({ claimed: claimed?.seq !== null, suppressed: claimed?.suppressed }).toEqual({
          claimed: isWanted,
          suppressed: isWanted ? '0' : '1',
        });
        if (old?.isOn === true) expect(claimed?.old_generation).toBe(old.generation);
        if (next?.isOn === true) expect(claimed?.new_generation).toBe(next.generation);
      }),
      { numRuns: CASES },
    );
  });

  it('doors: a close that comes late shuts no newer one, and an open that comes late finds it closed', async () => {
    const step = fc.record({ opens: fc.boolean(), generation: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        let door = { generation: 0, is_on: false };
        for (const { opens, generation } of steps) {
          if (opens ? door.generation < generation : door.generation <= generation) door = { generation, is_on: opens };
        }

        const [found] = await rolledBack(async () => {
          await run({ text: 'DELETE FROM crossfade.admission', values: [] });
          await run({ text: 'UPDATE crossfade.control SET source_epoch = 1', values: [] });
          for (const { opens, generation } of steps)
            await run(opens ? openAdmission('a', generation, '3:3:', 1) : closeAdmission('a', generation));
          return run({ text: 'SELECT generation, is_on FROM crossfade.admission', values: [] });
        });

        expect(found).toEqual(door);
      }),
      { numRuns: 100 },
    );
  });
});

const XIDS = { min: 3, max: 9 } as const;

const aSnapshot: fc.Arbitrary<Snapshot> = fc
  .tuple(fc.integer({ min: 3, max: 10 }), fc.uniqueArray(fc.integer(XIDS), { maxLength: 3 }))
  .map(([xmax, open]) => {
    const xip = open.filter((xid) => xid < xmax).toSorted((one, other) => one - other);
    return { xmin: xip[0] ?? xmax, xmax, xip };
  });

const anEpoch = fc.oneof(
  { weight: 4, arbitrary: fc.constant(2) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
);
const anAuthority = fc.record({
  authority: fc.oneof({ weight: 6, arbitrary: fc.constant(2) }, { weight: 1, arbitrary: fc.constant(1) }),
  direction: fc.oneof(
    { weight: 6, arbitrary: fc.constant('forward' as const) },
    { weight: 1, arbitrary: fc.constant('reverse' as const) },
  ),
});
/** Often one that sees nothing, as the floor is before the first purge. */
const aLowSnapshot = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Snapshot>({ xmin: 1, xmax: 1, xip: [] }) },
  { weight: 1, arbitrary: aSnapshot },
);

const aControl: fc.Arbitrary<Control> = fc
  .tuple(anAuthority, anEpoch, aLowSnapshot)
  .map(([authority, sourceEpoch, floor]) => ({ ...authority, sourceEpoch, floor }));

const aDoor: fc.Arbitrary<Door> = fc.record({
  generation: fc.integer({ min: 1, max: 3 }),
  isOn: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  openedUnder: aLowSnapshot,
});
const someDoors = fc.dictionary(fc.constantFrom(...TENANTS), aDoor).map((doors) => new Map(Object.entries(doors)));

const aVersion: fc.Arbitrary<Stored> = fc.oneof(
  fc.record({
    kind: fc.constant('E' as const),
    epoch: anEpoch,
    seq: fc.integer({ min: 1, max: 6 }),
    xid: fc.integer(XIDS),
  }),
  fc.record({ kind: fc.constant('S' as const), epoch: anEpoch, snapshot: aSnapshot }),
);
const aStored = fc.option(aVersion, { nil: undefined });

const aGeneration = fc.option(fc.integer({ min: 1, max: 3 }));
const anEvent: fc.Arbitrary<IncomingEvent> = fc
  .record({
    epoch: anEpoch,
    seq: fc.integer({ min: 1, max: 6 }),
    xid: fc.integer(XIDS),
    oldTenant: fc.option(fc.constantFrom(...TENANTS)),
    newTenant: fc.option(fc.constantFrom(...TENANTS)),
    oldGeneration: aGeneration,
    newGeneration: aGeneration,
  })
  .chain((event) =>
    anAuthority.map((authority) => ({
      ...event,
      ...authority,
      oldGeneration: event.oldTenant === null ? null : event.oldGeneration,
      newGeneration: event.newTenant === null ? null : event.newGeneration,
      op: event.newTenant === null ? ('D' as const) : ('U' as const),
    })),
  );

const aRead = fc
  .record({
    epoch: anEpoch,
    snapshot: aSnapshot,
    tenant: fc.option(fc.constantFrom(...TENANTS)),
    hasRow: fc.boolean(),
  })
  .chain((read) => anAuthority.map((authority) => ({ ...read, ...authority })));

const ROWS: Statement = { text: 'SELECT tenant_id FROM items WHERE id = 1', values: [] };

async function given(control: Control, doors: ReadonlyMap<string, Door>, stored: Stored | undefined): Promise<void> {
  await run({
    text: 'UPDATE crossfade.control SET authority = $1, direction = $2, source_epoch = $3, floor = $4::text::pg_snapshot',
    values: [control.authority, control.direction, control.sourceEpoch, snapshotText(control.floor)],
  });
  for (const [tenant, { generation, isOn, openedUnder }] of doors)
    await run({
      text: 'INSERT INTO crossfade.admission (tenant, generation, is_on, opened_under) VALUES ($1, $2, $3, $4::text::pg_snapshot)',
      values: [tenant, generation, isOn, snapshotText(openedUnder)],
    });
  if (stored === undefined) return;
  const [seq, xid, snapshot] =
    stored.kind === 'E' ? [stored.seq, String(stored.xid), null] : [null, null, snapshotText(stored.snapshot)];
  await run({
    text: `INSERT INTO crossfade.row_version (table_name, row_key, epoch, kind, seq, xid, snapshot, deleted)
VALUES ('items', '[1]', $1, $2, $3, $4::text::xid8, $5::text::pg_snapshot, false)`,
    values: [stored.epoch, stored.kind, seq, xid, snapshot],
  });
}

function toApply({ seq, xid, ...event }: IncomingEvent) {
  const row = event.newTenant === null ? null : rowOf(event.newTenant);
  return { ...event, seq: String(seq), xid: String(xid), rowKey: '[1]', idempotencyKey: 'i', correlationId: null, row };
}

function rowOf(tenant: string): string {
  return JSON.stringify({ id: 1, tenant_id: tenant });
}

function incomingOf(version: Stored) {
  return version.kind === 'E'
    ? { ...version, seq: String(version.seq), xid: String(version.xid) }
    : { ...version, snapshot: snapshotText(version.snapshot) };
}

/** On the target, as a superuser; a store is the source of one direction and the receiver of the other. */
async function run<Row = Record<string, unknown>>({ text, values }: Statement): Promise<readonly Row[]> {
  const { rows } = await shop.target.query(text, [...values]);
  return rows;
}

async function rolledBack<T>(work: () => Promise<T>): Promise<T> {
  await shop.target.query('BEGIN');
  try {
    return await work();
  } finally {
    await shop.target.query('ROLLBACK');
  }
}

/**
 * What would become of one legacy row if the relay carried it to the target now: mapped by legacy, tried in the target in a
 * transaction that is always rolled back, with every rule that it breaks (guide phase 2, dry run). Changes nothing anywhere.
 */
import { columnDefaults, type DefaultRow } from '../../sql/dry-run/map-payload.ts';
import { type Migration, tableNamed } from '../migration.ts';
import { describeFault, type Fault, isSameFault } from './fault.ts';
import { findBrokenRules, findPayloadFaults, findTypeFaults, mapRow } from './find-faults.ts';
import { tryInTarget } from './try-in-target.ts';

export interface WriteToTry {
  readonly table: string;
  /** JSON text of a legacy row; absent columns get their defaults. */
  readonly payload: string;
}

export interface DryRunWrite {
  /** Every fault as one readable line; empty: the target takes the row. */
  readonly violations: readonly string[];
  readonly faults: readonly Fault[];
  /** Parents that the target does not have yet: the relay would carry them, and the row would wait. No violation. */
  readonly waits: readonly string[];
  /** The row as the target would hold it (JSON text, every column); null when it would not. */
  readonly row: string | null;
  /** The row as the relay would send it (JSON text of the mapped columns); null when legacy cannot map it. */
  readonly mapped: string | null;
  readonly rowKey: string | null;
  readonly tenant: string | null;
}

const NOTHING: DryRunWrite = {
  violations: [],
  faults: [],
  waits: [],
  row: null,
  mapped: null,
  rowKey: null,
  tenant: null,
};

/**
 * @throws {RangeError} for a table that is not in the plan.
 * @throws {SqlError} when a store cannot be asked.
 */
export async function dryRunWrite(migration: Migration, { table: name, payload }: WriteToTry): Promise<DryRunWrite> {
  const { databases } = migration.deps;
  const table = tableNamed(migration, name);
  const legacy = databases.open('legacy', 'compare');
  const defaults = await legacy.query<DefaultRow>(columnDefaults(table));
  const unfit = findPayloadFaults(table, payload, defaults);
  if (unfit.length > 0) return withFaults(NOTHING, unfit);

  const mapped = await mapRow(legacy, table, migration.byName, payload, defaults);
  if ('faults' in mapped) return withFaults(NOTHING, mapped.faults);
  const known = { ...NOTHING, mapped: mapped.row, rowKey: mapped.row_key, tenant: mapped.tenant };

  const target = databases.open('target', 'compare');
  const untyped = await findTypeFaults(target, table, mapped.row);
  if (untyped.length > 0) return withFaults(known, untyped);
  const broken = await findBrokenRules(target, table, mapped);
  const tried = await tryInTarget(migration, table, mapped);
  const more = tried.faults.filter((one) => !broken.some((other) => isSameFault(one, other)));
  return withFaults({ ...known, row: tried.row, waits: tried.waits }, [...broken, ...more]);
}

function withFaults(known: DryRunWrite, faults: readonly Fault[]): DryRunWrite {
  return { ...known, row: faults.length > 0 ? null : known.row, faults, violations: faults.map(describeFault) };
}

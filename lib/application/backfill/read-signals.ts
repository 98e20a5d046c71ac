/** Reads what the target says about its load. A look that fails is told from a signal that the target does not have (domain/throttle.ts). */
import type { MigratedTable } from '../../domain/table.ts';
import type { Reading, Readings, ThrottleLimits } from '../../domain/throttle.ts';
import type { Plan } from '../../plan/plan.ts';
import { SqlError, type SqlStore } from '../../ports/sql.ts';
import { type AuroraLagRow, auroraLag } from '../../sql/backfill/aurora-lag.ts';
import { type TargetSignalsRow, targetSignals } from '../../sql/backfill/target-signals.ts';
import { type WalPositionRow, walPosition } from '../../sql/backfill/wal-position.ts';
import type { Deps } from '../deps.ts';

const MEBIBYTE = 1_048_576;
/** `feature_not_supported`, and a function that is not there: this storage keeps no WAL that can be asked about. */
const NOT_THERE: readonly (string | undefined)[] = ['0A000', '42883', '55000'];
/** Crossfade's own tables that each batch writes. */
const OWN_TABLES = [
  ['crossfade', 'row_version'],
  ['crossfade', 'applied_log'],
] as const;

export type TargetReadings = Omit<Readings, 'statement'>;
export type SignalReader = () => Promise<TargetReadings>;

/** Remembers the WAL position between looks: the first look knows no rate. */
export function createSignalReader(deps: Deps, tables: readonly MigratedTable[]): SignalReader {
  const session = deps.databases.open('target', 'compare');
  const relations = [...tables.map(({ schema, relation }) => [schema, relation] as const), ...OWN_TABLES];
  let before: WalPositionRow | null = null;
  const readWal = async (): Promise<Reading> => {
    try {
      const [now] = await session.query<WalPositionRow>(walPosition);
      const last = before;
      before = now ?? null;
      if (now === undefined) return 'unreadable';
      if (last === null || now.at_ms <= last.at_ms) return 'absent';
      return (((now.bytes - last.bytes) / (now.at_ms - last.at_ms)) * 1000) / MEBIBYTE;
    } catch (error) {
      return error instanceof SqlError && NOT_THERE.includes(error.sqlState) ? 'absent' : 'unreadable';
    }
  };
  return async () => {
    try {
      const [row] = await session.query<TargetSignalsRow>(targetSignals(relations));
      if (row === undefined) return ALL_UNREADABLE;
      return { ...read(row), replicationLag: await readLag(session, row), wal: await readWal() };
    } catch (error) {
      deps.log.warn('the load of the target cannot be read', {
        reason: error instanceof Error ? error.message : String(error),
      });
      return ALL_UNREADABLE;
    }
  };
}

export function limitsOf({ backfill: { throttle } }: Plan): ThrottleLimits {
  return {
    statement: throttle.statement,
    replicationLag: throttle.replicationLag,
    connections: throttle.connectionsPercent,
    vacuum: throttle.vacuum ? 1 : null,
    deadRows: throttle.deadPercent,
    wal: throttle.walMegabytesPerSecond,
  };
}

const ALL_UNREADABLE: TargetReadings = {
  replicationLag: 'unreadable',
  connections: 'unreadable',
  vacuum: 'unreadable',
  deadRows: 'unreadable',
  wal: 'unreadable',
};

function read(row: TargetSignalsRow): Pick<TargetReadings, 'connections' | 'vacuum' | 'deadRows'> {
  return {
    connections: row.connections_percent,
    vacuum: row.vacuums > row.vacuums_seen ? 'unreadable' : row.vacuums_here,
    deadRows: row.dead_percent ?? 0,
  };
}

async function readLag(session: SqlStore, row: TargetSignalsRow): Promise<Reading> {
  if (row.aurora) {
    const [aurora] = await session.query<AuroraLagRow>(auroraLag);
    return aurora?.lag_ms ?? 'absent';
  }
  if (row.replicas === 0) return 'absent';
  // A replica that has caught up says no lag at all.
  return row.replicas > row.replicas_seen ? 'unreadable' : (row.replay_lag_ms ?? 0);
}

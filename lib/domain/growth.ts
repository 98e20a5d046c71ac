/**
 * How large Crossfade's own tables get (design §3.9), in numbers: from the rate of writes and the plan's retention, before anything
 * is deployed. Bytes a row are measured with their indexes on PostgreSQL 15 and 17 (keys of 10, tenants of 5 characters).
 */
export interface GrowthInput {
  readonly writesPerSecond: number;
  readonly retention: { readonly outboxMs: number; readonly appliedLogMs: number };
  /** Rows of the plan's tables: the applied log keeps its newest entry of each for good. */
  readonly liveRows: number;
  /** Share of the writes that touch a row which was not touched in the same ten minutes. */
  readonly distinctShare: number;
  /** Bytes of a captured row as JSON; it goes when the event ends. */
  readonly payloadBytes: number;
  /** Longest outage of the receiver that the outbox must bear. */
  readonly outageMs: number;
}

export interface TableSize {
  readonly rows: number;
  readonly bytes: number;
}

export interface Growth {
  readonly outbox: TableSize;
  /** What an outage adds to the outbox: events that wait keep their payload. */
  readonly outage: TableSize;
  readonly rowVersions: TableSize;
  readonly appliedLog: TableSize;
  /** Rows that must be deleted a second for all of it to stand still. */
  readonly deletesPerSecond: number;
}

const ENDED_EVENT_BYTES = 172;
/** Without the payload. */
const WAITING_EVENT_BYTES = 260;
const VERSION_BYTES = 128;
const LOG_ENTRY_BYTES = 264;
/** A floor is raised every ten minutes from a snapshot that is ten minutes old, and a pass deletes what it covers. */
const VERSION_LIFE_S = 2 * 600;

export function modelGrowth(input: GrowthInput): Growth {
  const { writesPerSecond, retention, liveRows, distinctShare, payloadBytes, outageMs } = input;
  const outboxRows = (writesPerSecond * retention.outboxMs) / 1000;
  const outageRows = (writesPerSecond * outageMs) / 1000;
  // Never more versions than rows, deleted ones aside.
  const versionRows = Math.min(
    writesPerSecond * distinctShare * VERSION_LIFE_S,
    liveRows + writesPerSecond * VERSION_LIFE_S,
  );
  const logRows = liveRows + (writesPerSecond * retention.appliedLogMs) / 1000;
  return {
    outbox: size(outboxRows, ENDED_EVENT_BYTES),
    outage: size(outageRows, WAITING_EVENT_BYTES + payloadBytes),
    rowVersions: size(versionRows, VERSION_BYTES),
    appliedLog: size(logRows, LOG_ENTRY_BYTES),
    // One event and one entry a write, and a version for each row that was new in its ten minutes.
    deletesPerSecond: Math.round(writesPerSecond * (2 + distinctShare)),
  };
}

function size(rows: number, bytesEach: number): TableSize {
  return { rows: Math.round(rows), bytes: Math.round(rows * bytesEach) };
}

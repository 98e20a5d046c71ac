/** Limits of the RDS Data API (aws reference §3); tests shorten the times, nothing raises them. */
export interface Limits {
  /** A larger response is refused. */
  readonly responseBytes: number;
  /** Larger rows of a result are refused. */
  readonly rowBytes: number;
  /** Headers and body. */
  readonly requestBytes: number;
  readonly statementMs: number;
  readonly transactionIdleMs: number;
  readonly transactionMs: number;
  /** Longest text of one statement. */
  readonly sqlCharacters: number;
  /** Connections for one role in one database; further calls wait. */
  readonly connections: number;
  /** How long to wait for a connection. */
  readonly connectMs: number;
}

const MINUTE = 60_000;

export const AURORA_LIMITS: Limits = {
  responseBytes: 1024 * 1024,
  rowBytes: 64 * 1024,
  requestBytes: 4 * 1024 * 1024,
  statementMs: 45_000,
  transactionIdleMs: 3 * MINUTE,
  transactionMs: 24 * 60 * MINUTE,
  sqlCharacters: 65_536,
  connections: 16,
  connectMs: 5_000,
};

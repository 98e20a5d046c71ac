/** CloudWatch metrics of one migration. Dimensions: `plan`, and `store`, `direction` or `table` where a metric is kept for each. */
export const METRIC_NAMESPACE = 'Crossfade';

export const METRICS = {
  /** Milliseconds from statement to answer of writes that Crossfade makes, by store. */
  writeLatency: { name: 'WriteLatency', unit: 'Milliseconds', by: 'store' },
  /** What capture adds to a write of the application, 99th percentile, measured when dual-write starts. */
  captureOverhead: { name: 'CaptureOverhead', unit: 'Milliseconds', by: 'store' },
  /** Percent of Crossfade's write statements that failed, by store. */
  errorRate: { name: 'ErrorRate', unit: 'Percent', by: 'store' },
  /** Age of the oldest undelivered event, by direction. */
  replicationLag: { name: 'ReplicationLag', unit: 'Milliseconds', by: 'store' },
  delivered: { name: 'EventsDelivered', unit: 'Count', by: 'direction' },
  /** Gauges over `dualWrite.drainWindow`: events a second captured, delivered of those, and the second in percent of the first. */
  writeRate: { name: 'WriteRate', unit: 'Count/Second', by: 'direction' },
  drainRate: { name: 'DrainRate', unit: 'Count/Second', by: 'direction' },
  drainPercent: { name: 'DrainPercent', unit: 'Percent', by: 'direction' },
  undelivered: { name: 'EventsUndelivered', unit: 'Count', by: 'direction' },
  parked: { name: 'EventsParked', unit: 'Count', by: 'direction' },
  dead: { name: 'EventsDead', unit: 'Count', by: 'direction' },
  driftPercent: { name: 'DriftRatioPercent', unit: 'Percent', by: 'none' },
  rowsCompared: { name: 'RowsCompared', unit: 'Count', by: 'none' },
  rowsDrifted: { name: 'RowsDrifted', unit: 'Count', by: 'none' },
  /** 95 % upper bound on the drift of a cycle, and how much of the rows there are it compared. */
  driftUpperBound: { name: 'DriftUpperBoundPercent', unit: 'Percent', by: 'none' },
  cycleCoverage: { name: 'CycleCoveragePercent', unit: 'Percent', by: 'none' },
  cycleDuration: { name: 'CycleDuration', unit: 'Milliseconds', by: 'none' },
  /** Hours that the drift clock has run, of everything; CloudWatch knows no unit of hours. */
  driftClockHours: { name: 'DriftClockHours', unit: 'None', by: 'none' },
  /** All tables together, and each table by itself, that are above the limit of the drift alert. */
  driftAlerts: { name: 'DriftAlerts', unit: 'Count', by: 'none' },
  tableDriftPercent: { name: 'TableDriftRatioPercent', unit: 'Percent', by: 'table' },
  tableUpperBound: { name: 'TableDriftUpperBoundPercent', unit: 'Percent', by: 'table' },
  tableRowsCompared: { name: 'TableRowsCompared', unit: 'Count', by: 'table' },
  tableClockHours: { name: 'TableDriftClockHours', unit: 'None', by: 'table' },
  cycleCompleted: { name: 'CycleCompleted', unit: 'Count', by: 'none' },
  flagFallback: { name: 'FlagFallback', unit: 'Count', by: 'none' },
  reads: { name: 'Reads', unit: 'Count', by: 'store' },
  readLatency: { name: 'ReadLatency', unit: 'Milliseconds', by: 'store' },
  readFallbacks: { name: 'ReadFallbacks', unit: 'Count', by: 'none' },
  breakerOpened: { name: 'BreakerOpened', unit: 'Count', by: 'none' },
  /** Bytes of outbox, row versions and applied log with their indexes, by store. */
  ownBytes: { name: 'OwnBytes', unit: 'Bytes', by: 'store' },
  /** How long ago the oldest outbox row should have been pruned, by store. */
  retentionOverdue: { name: 'RetentionOverdue', unit: 'Milliseconds', by: 'store' },
  /** Age of the oldest transaction that holds vacuum back, by store. */
  oldestTransaction: { name: 'OldestTransaction', unit: 'Milliseconds', by: 'store' },
  /** 1 while a store is found restored to an earlier state, by direction. */
  historyLost: { name: 'HistoryLost', unit: 'Count', by: 'direction' },
  foreignWrites: { name: 'ForeignWrites', unit: 'Count', by: 'store' },
  stepFailed: { name: 'StepFailed', unit: 'Count', by: 'none' },
  windowExceeded: { name: 'WindowExceeded', unit: 'Count', by: 'none' },
} as const;

/** Tables with metrics of their own: the first ones of the plan, because each metric of each table is paid for by the month. */
export const MAX_TABLE_METRICS = 50;

export type MetricName = keyof typeof METRICS;

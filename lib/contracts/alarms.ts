/**
 * Every alarm of a deployed system. docs/runbook.md has a section with the title that stands here, which the alarm's description
 * links to; a test compares the two lists.
 */
import type { MetricName } from './metrics.ts';

export interface AlarmContract {
  /** The alarm is named `crossfade-<plan>-<name>`. */
  readonly name: string;
  /** A metric of lib/contracts/metrics.ts, or one that AWS keeps of a queue or a function. */
  readonly metric: MetricName | 'ApproximateNumberOfMessagesVisible' | 'Errors';
  /** What it fires at, in words; numbers of the plan by their key. */
  readonly threshold: string;
  /** Title of the section in docs/runbook.md. */
  readonly runbook: string;
}

export const ALARMS = [
  {
    name: 'drift',
    metric: 'driftPercent',
    threshold: 'above reconcile.alert.driftPercent for reconcile.alert.cycles cycles',
    runbook: 'Drift',
  },
  {
    name: 'drift-table',
    metric: 'driftAlerts',
    threshold:
      'above 0: all tables together, or one of them, above reconcile.alert.driftPercent for reconcile.alert.cycles of its cycles',
    runbook: 'Drift',
  },
  {
    name: 'cycle-missing',
    metric: 'cycleCompleted',
    threshold: 'no cycle ended in two intervals of reconcile.cycle',
    runbook: 'Cycle missing',
  },
  {
    name: 'replication-lag-forward',
    metric: 'replicationLag',
    threshold: 'above alarms.outboxAge for 3 minutes',
    runbook: 'Replication lag',
  },
  {
    name: 'replication-lag-reverse',
    metric: 'replicationLag',
    threshold: 'above alarms.outboxAge for 3 minutes',
    runbook: 'Replication lag',
  },
  {
    name: 'outbox-size-forward',
    metric: 'undelivered',
    threshold: 'above alarms.outboxRows for 3 minutes',
    runbook: 'Outbox size',
  },
  {
    name: 'outbox-size-reverse',
    metric: 'undelivered',
    threshold: 'above alarms.outboxRows for 3 minutes',
    runbook: 'Outbox size',
  },
  {
    name: 'drain-behind-forward',
    metric: 'drainPercent',
    threshold: 'below 95 % of what was captured in dualWrite.drainWindow for 5 minutes',
    runbook: 'Drain behind',
  },
  {
    name: 'drain-behind-reverse',
    metric: 'drainPercent',
    threshold: 'below 95 % of what was captured in dualWrite.drainWindow for 5 minutes',
    runbook: 'Drain behind',
  },
  {
    name: 'dead-letters-forward',
    metric: 'ApproximateNumberOfMessagesVisible',
    threshold: 'above 0',
    runbook: 'Dead letters',
  },
  {
    name: 'dead-letters-reverse',
    metric: 'ApproximateNumberOfMessagesVisible',
    threshold: 'above 0',
    runbook: 'Dead letters',
  },
  { name: 'parked-forward', metric: 'parked', threshold: 'above 0', runbook: 'Parked events' },
  { name: 'parked-reverse', metric: 'parked', threshold: 'above 0', runbook: 'Parked events' },
  {
    name: 'error-rate-legacy',
    metric: 'errorRate',
    threshold: 'above baseline.errorRatePercent for 3 of 5 minutes',
    runbook: 'Error rate',
  },
  {
    name: 'error-rate-target',
    metric: 'errorRate',
    threshold: 'above baseline.errorRatePercent for 3 of 5 minutes',
    runbook: 'Error rate',
  },
  {
    name: 'write-latency-legacy',
    metric: 'writeLatency',
    threshold: 'p99 above 80 % of targetTimeout for 3 of 5 minutes',
    runbook: 'Write latency',
  },
  {
    name: 'write-latency-target',
    metric: 'writeLatency',
    threshold: 'p99 above 80 % of targetTimeout for 3 of 5 minutes',
    runbook: 'Write latency',
  },
  { name: 'breaker-opened', metric: 'breakerOpened', threshold: 'above 0', runbook: 'Breaker opened' },
  { name: 'step-failed', metric: 'stepFailed', threshold: 'above 0', runbook: 'Step failed' },
  { name: 'foreign-writes-legacy', metric: 'foreignWrites', threshold: 'above 0', runbook: 'Foreign writes' },
  { name: 'foreign-writes-target', metric: 'foreignWrites', threshold: 'above 0', runbook: 'Foreign writes' },
  { name: 'history-lost-forward', metric: 'historyLost', threshold: 'above 0', runbook: 'History lost' },
  { name: 'history-lost-reverse', metric: 'historyLost', threshold: 'above 0', runbook: 'History lost' },
  {
    name: 'own-size-legacy',
    metric: 'ownBytes',
    threshold: 'above 100 GB for 3 minutes',
    runbook: 'Retention behind',
  },
  {
    name: 'own-size-target',
    metric: 'ownBytes',
    threshold: 'above 100 GB for 3 minutes',
    runbook: 'Retention behind',
  },
  {
    name: 'retention-overdue-legacy',
    metric: 'retentionOverdue',
    threshold: 'above 6 hours for 3 minutes',
    runbook: 'Retention behind',
  },
  {
    name: 'retention-overdue-target',
    metric: 'retentionOverdue',
    threshold: 'above 6 hours for 3 minutes',
    runbook: 'Retention behind',
  },
  {
    name: 'oldest-transaction-legacy',
    metric: 'oldestTransaction',
    threshold: 'above 1 hour for 3 minutes',
    runbook: 'Oldest transaction',
  },
  {
    name: 'oldest-transaction-target',
    metric: 'oldestTransaction',
    threshold: 'above 1 hour for 3 minutes',
    runbook: 'Oldest transaction',
  },
  { name: 'window-exceeded', metric: 'windowExceeded', threshold: 'above 0', runbook: 'Window exceeded' },
  { name: 'flag-fallback', metric: 'flagFallback', threshold: 'above 0 for 3 of 5 minutes', runbook: 'Flag fallback' },
  { name: 'relay-failing', metric: 'Errors', threshold: 'above 0 for 3 of 5 minutes', runbook: 'Relay failing' },
  {
    name: 'schedule-missed',
    metric: 'ApproximateNumberOfMessagesVisible',
    threshold: 'above 0',
    runbook: 'Schedule missed',
  },
] as const satisfies readonly AlarmContract[];

export type AlarmName = (typeof ALARMS)[number]['name'];

/** Name of the alarm that fires while any of the others does; made where the endpoint has composite alarms. */
export const SUMMARY_ALARM = { name: 'migration-unhealthy', runbook: 'Migration unhealthy' } as const;

/** The link in an alarm's description: the anchor that Markdown renderers give the section's title. */
export function runbookLink(title: string): string {
  return `docs/runbook.md#${title.toLowerCase().replaceAll(' ', '-')}`;
}

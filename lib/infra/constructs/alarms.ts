/**
 * The alarms of lib/contracts/alarms.ts. Silence is a failure only where something reports continuously (the cycle's heartbeat);
 * everywhere else missing data does not breach, so that nothing rings before its phase has begun.
 */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmRule,
  ComparisonOperator,
  CompositeAlarm,
  type IMetric,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ALARMS, type AlarmName, runbookLink, SUMMARY_ALARM } from '../../contracts/alarms.ts';
import { resourceName } from '../../contracts/functions.ts';
import { METRIC_NAMESPACE, METRICS, type MetricName } from '../../contracts/metrics.ts';
import { type Direction, receiverOf, type StoreName } from '../../domain/direction.ts';
import type { Plan } from '../../plan/plan.ts';
import { inWholeMinutes } from '../environment-policy.ts';

export interface AlarmsProps {
  readonly plan: Plan;
  readonly deadQueues: Readonly<Record<Direction, IQueue>>;
  readonly scheduleDeadQueue: IQueue;
  readonly relay: IFunction;
  readonly compositeAlarms: boolean;
}

interface AlarmSpec {
  readonly metric: IMetric;
  readonly above?: number;
  readonly below?: number;
  /** Periods that are looked at, and how many of them must breach. */
  readonly periods: number;
  readonly breaching?: number;
  readonly silenceIsFailure?: boolean;
}

const GIGABYTE = 1e9;
/** Milliseconds. */
const HOUR = 3_600_000;
/** 80 %: most of the way to the statement timeout at which the database itself ends the write. */
const NEAR_TIMEOUT = 0.8;

/** Percent. Not 100: the few events that were set aside, which have their own alarms, are no slow relay. */
const DRAINS = 95;

export class Alarms extends Construct {
  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const { plan } = props;
    const specs = describeAlarms(props);
    const topic =
      plan.alarms.topicArn === undefined ? undefined : Topic.fromTopicArn(this, 'Topic', plan.alarms.topicArn);
    const alarms = ALARMS.map(({ name, threshold, runbook }) => {
      const spec = specs[name];
      return new Alarm(this, name, {
        alarmName: resourceName(plan.name, name),
        alarmDescription: describe(`${name}: ${threshold}.`, runbook),
        metric: spec.metric,
        threshold: spec.above ?? spec.below ?? 0,
        comparisonOperator:
          spec.below === undefined ? ComparisonOperator.GREATER_THAN_THRESHOLD : ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluationPeriods: spec.periods,
        datapointsToAlarm: spec.breaching ?? spec.periods,
        treatMissingData: spec.silenceIsFailure === true ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
      });
    });
    if (topic !== undefined) {
      for (const alarm of alarms) alarm.addAlarmAction(new SnsAction(topic));
    }
    if (!props.compositeAlarms) return;
    new CompositeAlarm(this, SUMMARY_ALARM.name, {
      compositeAlarmName: resourceName(plan.name, SUMMARY_ALARM.name),
      alarmDescription: describe('One of the alarms of this migration fires.', SUMMARY_ALARM.runbook),
      alarmRule: AlarmRule.anyOf(...alarms),
    });
  }
}

/** A metric of Crossfade as its functions report it: the plan, and the store or the direction, are its only dimensions. */
export function crossfadeMetric(
  plan: Plan,
  name: MetricName,
  {
    statistic,
    period,
    ...dimensions
  }: {
    readonly statistic: string;
    readonly period?: Duration;
    readonly store?: StoreName;
    readonly direction?: Direction;
    readonly table?: string;
  },
): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRICS[name].name,
    dimensionsMap: { plan: plan.name, ...dimensions },
    statistic,
    period: period ?? Duration.minutes(1),
  });
}

function describeAlarms({
  plan,
  deadQueues,
  scheduleDeadQueue,
  relay,
}: AlarmsProps): Readonly<Record<AlarmName, AlarmSpec>> {
  const cycle = inWholeMinutes(plan.reconcile.cycle);
  const lag = (direction: Direction): AlarmSpec => ({
    metric: crossfadeMetric(plan, 'replicationLag', { statistic: Stats.MAXIMUM, store: receiverOf(direction) }),
    above: plan.alarms.outboxAge,
    periods: 3,
  });
  const outbox = (direction: Direction): AlarmSpec => ({
    metric: crossfadeMetric(plan, 'undelivered', { statistic: Stats.MAXIMUM, direction }),
    above: plan.alarms.outboxRows,
    periods: 3,
  });
  const drain = (direction: Direction): AlarmSpec => ({
    metric: crossfadeMetric(plan, 'drainPercent', { statistic: Stats.AVERAGE, direction }),
    below: DRAINS,
    periods: 5,
  });
  const dead = (queue: IQueue): AlarmSpec => ({
    metric: queue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1), statistic: Stats.MAXIMUM }),
    above: 0,
    periods: 1,
  });
  const any = (
    name: MetricName,
    dimensions: { readonly store?: StoreName; readonly direction?: Direction } = {},
  ): AlarmSpec => ({
    metric: crossfadeMetric(plan, name, { statistic: Stats.SUM, ...dimensions }),
    above: 0,
    periods: 1,
  });
  const most = (name: MetricName, store: StoreName, above: number): AlarmSpec => ({
    metric: crossfadeMetric(plan, name, { statistic: Stats.MAXIMUM, store }),
    above,
    periods: 3,
  });
  const errors = (store: StoreName): AlarmSpec => ({
    metric: crossfadeMetric(plan, 'errorRate', { statistic: Stats.AVERAGE, store }),
    above: plan.baseline.errorRatePercent,
    periods: 5,
    breaching: 3,
  });
  const latency = (store: StoreName): AlarmSpec => ({
    metric: crossfadeMetric(plan, 'writeLatency', { statistic: Stats.percentile(99), store }),
    above: plan.targetTimeout * NEAR_TIMEOUT,
    periods: 5,
    breaching: 3,
  });
  return {
    // One period a cycle, or "5 periods" would not be "5 cycles".
    drift: {
      metric: crossfadeMetric(plan, 'driftPercent', { statistic: Stats.MAXIMUM, period: cycle }),
      above: plan.reconcile.alert.driftPercent,
      periods: plan.reconcile.alert.cycles,
    },
    // The count of cycles is kept in the log, where a table with cycles of its own has its own five.
    'drift-table': {
      metric: crossfadeMetric(plan, 'driftAlerts', { statistic: Stats.MAXIMUM, period: cycle }),
      above: 0,
      periods: 1,
    },
    'cycle-missing': {
      metric: crossfadeMetric(plan, 'cycleCompleted', { statistic: Stats.SUM, period: cycle }),
      below: 1,
      periods: 2,
      silenceIsFailure: true,
    },
    'replication-lag-forward': lag('forward'),
    'replication-lag-reverse': lag('reverse'),
    'outbox-size-forward': outbox('forward'),
    'outbox-size-reverse': outbox('reverse'),
    'drain-behind-forward': drain('forward'),
    'drain-behind-reverse': drain('reverse'),
    'dead-letters-forward': dead(deadQueues.forward),
    'dead-letters-reverse': dead(deadQueues.reverse),
    'parked-forward': any('parked', { direction: 'forward' }),
    'parked-reverse': any('parked', { direction: 'reverse' }),
    'error-rate-legacy': errors('legacy'),
    'error-rate-target': errors('target'),
    'write-latency-legacy': latency('legacy'),
    'write-latency-target': latency('target'),
    'breaker-opened': any('breakerOpened'),
    'step-failed': any('stepFailed'),
    'foreign-writes-legacy': any('foreignWrites', { store: 'legacy' }),
    'foreign-writes-target': any('foreignWrites', { store: 'target' }),
    'history-lost-forward': any('historyLost', { direction: 'forward' }),
    'history-lost-reverse': any('historyLost', { direction: 'reverse' }),
    'own-size-legacy': most('ownBytes', 'legacy', 100 * GIGABYTE),
    'own-size-target': most('ownBytes', 'target', 100 * GIGABYTE),
    'retention-overdue-legacy': most('retentionOverdue', 'legacy', 6 * HOUR),
    'retention-overdue-target': most('retentionOverdue', 'target', 6 * HOUR),
    'oldest-transaction-legacy': most('oldestTransaction', 'legacy', HOUR),
    'oldest-transaction-target': most('oldestTransaction', 'target', HOUR),
    'window-exceeded': any('windowExceeded'),
    'flag-fallback': { ...any('flagFallback'), periods: 5, breaching: 3 },
    'relay-failing': {
      metric: relay.metricErrors({ period: Duration.minutes(1), statistic: Stats.SUM }),
      above: 0,
      periods: 5,
      breaching: 3,
    },
    'schedule-missed': dead(scheduleDeadQueue),
  };
}

function describe(text: string, runbook: string): string {
  return `${text} Runbook: ${runbookLink(runbook)}`;
}

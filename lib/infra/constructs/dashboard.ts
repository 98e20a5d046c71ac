/** One dashboard: write latency, error rate and replication lag of each store by itself (guide, phase 1), then drift, queues, reads. */
import { Dashboard, GraphWidget, type IMetric, Stats, TextWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { resourceName } from '../../contracts/functions.ts';
import { MAX_TABLE_METRICS } from '../../contracts/metrics.ts';
import { REPORT_KEY } from '../../contracts/object-prefixes.ts';
import { DIRECTIONS, type Direction, STORES, type StoreName } from '../../domain/direction.ts';
import type { Plan } from '../../plan/plan.ts';
import { crossfadeMetric } from './alarms.ts';

export interface QueuePair {
  readonly retry: IQueue;
  readonly dead: IQueue;
}

export interface DashboardProps {
  readonly plan: Plan;
  readonly queues: Readonly<Record<Direction, QueuePair>>;
  /** Where each cycle leaves the drift report. */
  readonly bucketName: string;
}

const HOUR_MS = 3_600_000;
const WHOLE_WIDTH = 24;
const THIRD = { width: WHOLE_WIDTH / 3, height: 6 };

export class MigrationDashboard extends Construct {
  readonly resource: Dashboard;

  constructor(scope: Construct, id: string, { plan, queues, bucketName }: DashboardProps) {
    super(scope, id);
    this.resource = new Dashboard(this, 'Resource', { dashboardName: resourceName(plan.name, 'migration') });
    const heading = new TextWidget({ markdown: `# ${plan.name} (${plan.environment})`, width: WHOLE_WIDTH, height: 1 });
    this.resource.addWidgets(heading);
    for (const store of STORES) this.resource.addWidgets(...storeRow(plan, store));
    this.resource.addWidgets(...driftRow(plan, bucketName), eventsGraph(plan));
    this.resource.addWidgets(...cycleRow(plan));
    this.resource.addWidgets(...tableRow(plan));
    for (const direction of DIRECTIONS) this.resource.addWidgets(...drainRow(plan, direction));
    this.resource.addWidgets(queuesGraph(queues), ...readsRow(plan));
  }
}

function storeRow(plan: Plan, store: StoreName): GraphWidget[] {
  const of = (name: Parameters<typeof crossfadeMetric>[1], statistic: string) =>
    crossfadeMetric(plan, name, { statistic, store });
  return [
    graph(`${store}: write latency`, [
      of('writeLatency', Stats.percentile(50)),
      of('writeLatency', Stats.percentile(99)),
    ]),
    graph(`${store}: error rate`, [of('errorRate', Stats.AVERAGE)]),
    graph(`${store}: replication lag`, [of('replicationLag', Stats.MAXIMUM)]),
  ];
}

function driftRow(plan: Plan, bucketName: string): (GraphWidget | TextWidget)[] {
  const { gate, alert } = plan.reconcile;
  const at = (name: 'driftPercent' | 'driftUpperBound') => crossfadeMetric(plan, name, { statistic: Stats.MAXIMUM });
  const drift = new GraphWidget({
    title: 'drift of each cycle and its 95 % upper bound',
    left: [at('driftPercent'), at('driftUpperBound')],
    leftAnnotations: [
      { value: gate.driftPercent, label: 'gate' },
      { value: alert.driftPercent, label: 'alert' },
    ],
    ...THIRD,
  });
  const report = new TextWidget({
    markdown: `## Drift report\n[${REPORT_KEY}](https://s3.console.aws.amazon.com/s3/object/${bucketName}?prefix=${REPORT_KEY}) in bucket ${bucketName}, as of the last cycle: the drift clock plotted, tables, tenants, worst chunks.\n\nAs of now: \`npx crossfade drift report --out drift.html\``,
    ...THIRD,
  });
  return [drift, report];
}

/** The clock and what each cycle was. */
function cycleRow(plan: Plan): GraphWidget[] {
  const of = (name: Parameters<typeof crossfadeMetric>[1], statistic: string = Stats.MAXIMUM) =>
    crossfadeMetric(plan, name, { statistic });
  const clock = new GraphWidget({
    title: 'drift clock, hours',
    left: [of('driftClockHours')],
    leftAnnotations: [{ value: plan.reconcile.gate.for / HOUR_MS, label: 'gate' }],
    right: [of('driftAlerts')],
    ...THIRD,
  });
  const rows = new GraphWidget({
    title: 'rows compared and drifted',
    left: [of('rowsCompared', Stats.SUM)],
    right: [of('rowsDrifted', Stats.SUM)],
    ...THIRD,
  });
  const took = new GraphWidget({
    title: 'cycle: duration and coverage',
    left: [of('cycleDuration')],
    right: [of('cycleCoverage')],
    ...THIRD,
  });
  return [clock, rows, took];
}

/** Each table by itself; the first ones of the plan where there are many. */
function tableRow(plan: Plan): GraphWidget[] {
  const tables = Object.keys(plan.tables).slice(0, MAX_TABLE_METRICS);
  const of = (name: Parameters<typeof crossfadeMetric>[1]) =>
    tables.map((table) => crossfadeMetric(plan, name, { statistic: Stats.MAXIMUM, table }).with({ label: table }));
  const { gate, alert } = plan.reconcile;
  return [
    new GraphWidget({
      title: 'drift by table, and its 95 % upper bound',
      left: of('tableDriftPercent'),
      right: of('tableUpperBound'),
      leftAnnotations: [
        { value: gate.driftPercent, label: 'gate' },
        { value: alert.driftPercent, label: 'alert' },
      ],
      ...THIRD,
    }),
    graph('rows compared by table', of('tableRowsCompared')),
    graph('drift clock by table, hours', of('tableClockHours')),
  ];
}

function eventsGraph(plan: Plan): GraphWidget {
  const metrics = DIRECTIONS.flatMap((direction) =>
    (['delivered', 'undelivered', 'parked', 'dead'] as const).map((name) =>
      crossfadeMetric(plan, name, { statistic: name === 'delivered' ? Stats.SUM : Stats.MAXIMUM, direction }),
    ),
  );
  return graph('events', metrics);
}

/** The forward gate of phase 2 as pictures: what is written against what is drained. */
function drainRow(plan: Plan, direction: Direction): GraphWidget[] {
  const of = (name: Parameters<typeof crossfadeMetric>[1]) =>
    crossfadeMetric(plan, name, { statistic: Stats.AVERAGE, direction });
  return [
    graph(`${direction}: write rate and drain rate`, [of('writeRate'), of('drainRate')]),
    graph(`${direction}: drained of what was captured`, [of('drainPercent')]),
  ];
}

function queuesGraph(queues: Readonly<Record<Direction, QueuePair>>): GraphWidget {
  const depth = (queue: IQueue, label: string) =>
    queue.metricApproximateNumberOfMessagesVisible({ label, statistic: Stats.MAXIMUM });
  const metrics = DIRECTIONS.flatMap((direction) => [
    depth(queues[direction].retry, `${direction} retries`),
    depth(queues[direction].dead, `${direction} dead letters`),
  ]);
  return graph('queues', metrics);
}

function readsRow(plan: Plan): GraphWidget[] {
  const reads = STORES.map((store) => crossfadeMetric(plan, 'reads', { statistic: Stats.SUM, store }));
  const latency = STORES.map((store) =>
    crossfadeMetric(plan, 'readLatency', { statistic: Stats.percentile(99), store }),
  );
  const fallbacks = crossfadeMetric(plan, 'readFallbacks', { statistic: Stats.SUM });
  const breaker = crossfadeMetric(plan, 'breakerOpened', { statistic: Stats.SUM });
  return [graph('reads and fallbacks', [...reads, fallbacks, breaker]), graph('read latency p99', latency)];
}

function graph(title: string, metrics: IMetric[]): GraphWidget {
  return new GraphWidget({ title, left: metrics, ...THIRD });
}

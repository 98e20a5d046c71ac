/** One dashboard: write latency, error rate and replication lag of each store by itself (guide, phase 1), then drift, queues, reads. */
import { Dashboard, GraphWidget, type IMetric, SingleValueWidget, Stats, TextWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { resourceName } from '../../contracts/functions.ts';
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
}

const WHOLE_WIDTH = 24;
const THIRD = { width: WHOLE_WIDTH / 3, height: 6 };

export class MigrationDashboard extends Construct {
  readonly resource: Dashboard;

  constructor(scope: Construct, id: string, { plan, queues }: DashboardProps) {
    super(scope, id);
    this.resource = new Dashboard(this, 'Resource', { dashboardName: resourceName(plan.name, 'migration') });
    const heading = new TextWidget({ markdown: `# ${plan.name} (${plan.environment})`, width: WHOLE_WIDTH, height: 1 });
    this.resource.addWidgets(heading);
    for (const store of STORES) this.resource.addWidgets(...storeRow(plan, store));
    this.resource.addWidgets(...driftRow(plan), eventsGraph(plan));
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

function driftRow(plan: Plan): (GraphWidget | SingleValueWidget)[] {
  const drift = crossfadeMetric(plan, 'driftPercent', { statistic: Stats.MAXIMUM });
  const rows = [
    crossfadeMetric(plan, 'rowsCompared', { statistic: Stats.SUM }),
    crossfadeMetric(plan, 'rowsDrifted', { statistic: Stats.SUM }),
  ];
  return [
    graph('drift', [drift]),
    new SingleValueWidget({ title: 'rows compared and drifted', metrics: rows, ...THIRD }),
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

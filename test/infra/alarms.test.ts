import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { ALARMS, runbookLink } from '../../lib/contracts/alarms.ts';
import { METRICS } from '../../lib/contracts/metrics.ts';
import { DEV_PLAN, deploy, PROD_PLAN } from './deployment.ts';

describe('alarms', () => {
  it('are those of lib/contracts/alarms.ts, each with its section of the runbook', () => {
    const { control } = deploy(DEV_PLAN);

    control.resourceCountIs('AWS::CloudWatch::Alarm', ALARMS.length);
    for (const { name, runbook } of ALARMS) {
      control.hasResourceProperties('AWS::CloudWatch::Alarm', {
        AlarmName: `crossfade-shop-${name}`,
        AlarmDescription: Match.stringLikeRegexp(`Runbook: ${runbookLink(runbook)}$`),
      });
    }
  });

  it('watch metrics that Crossfade reports', () => {
    const known = new Set<string>(Object.keys(METRICS));
    const others = ALARMS.map(({ metric }) => metric as string).filter((metric) => !known.has(metric));

    expect(new Set(others)).toEqual(new Set(['ApproximateNumberOfMessagesVisible', 'Errors']));
  });

  it('fire on drift after five cycles, one period a cycle', () => {
    const { control } = deploy(DEV_PLAN);

    control.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'DriftRatioPercent',
      Dimensions: [{ Name: 'plan', Value: 'shop' }],
      Period: 3600,
      EvaluationPeriods: 5,
      DatapointsToAlarm: 5,
      Threshold: 0.01,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'notBreaching',
    });
  });

  it('fire on a drain rate below the write rate for five minutes', () => {
    const { control } = deploy(DEV_PLAN);

    for (const direction of ['forward', 'reverse']) {
      control.hasResourceProperties('AWS::CloudWatch::Alarm', {
        AlarmName: `crossfade-shop-drain-behind-${direction}`,
        MetricName: 'DrainPercent',
        Dimensions: Match.arrayWith([{ Name: 'direction', Value: direction }]),
        Threshold: 95,
        ComparisonOperator: 'LessThanThreshold',
        DatapointsToAlarm: 5,
        TreatMissingData: 'notBreaching',
      });
    }
  });

  it('take silence for a failure only where cycles should end', () => {
    const { control } = deploy(DEV_PLAN);

    control.resourcePropertiesCountIs('AWS::CloudWatch::Alarm', { TreatMissingData: 'breaching' }, 1);
    control.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'CycleCompleted',
      TreatMissingData: 'breaching',
    });
  });

  it('tell the topic of the plan', () => {
    const { control } = deploy(PROD_PLAN);

    control.allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: ['arn:aws:sns:eu-central-1:000000000000:oncall'],
    });
  });

  it('keep within what CloudWatch evaluates: a day for short periods, a week for hours and longer', () => {
    const { control } = deploy(`${DEV_PLAN}\nreconcile: { cycle: 24h, fullEvery: 24h, window: 24h }`);
    for (const { Properties } of Object.values(control.findResources('AWS::CloudWatch::Alarm'))) {
      const seconds = Properties.Period * Properties.EvaluationPeriods;
      expect.soft(seconds, Properties.AlarmName).toBeLessThanOrEqual(Properties.Period < 3600 ? 86_400 : 7 * 86_400);
    }
  });
});

describe('the dashboard', () => {
  it('shows write latency, error rate and replication lag of each store by itself', () => {
    const { control } = deploy(DEV_PLAN);
    const [dashboard] = Object.values(control.findResources('AWS::CloudWatch::Dashboard'));
    const body = JSON.stringify(dashboard);

    for (const store of ['legacy', 'target']) {
      for (const graph of ['write latency', 'error rate', 'replication lag'])
        expect.soft(body).toContain(`${store}: ${graph}`);
    }
  });

  it('shows the write rate beside the drain rate, and what was set aside', () => {
    const { control } = deploy(DEV_PLAN);
    const [dashboard] = Object.values(control.findResources('AWS::CloudWatch::Dashboard'));
    const body = JSON.stringify(dashboard);

    for (const shown of ['WriteRate', 'DrainRate', 'EventsParked', 'EventsDead', 'forward dead letters'])
      expect.soft(body).toContain(shown);
  });
});

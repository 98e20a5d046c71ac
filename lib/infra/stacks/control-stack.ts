/** What acts on the state: functions, machines, schedules, API, alarms, dashboard. Can be destroyed and deployed again at any time. */
import { ArnFormat, CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import type { Architecture } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { ENV } from '../../contracts/env-names.ts';
import { FUNCTIONS, type FunctionName, resourceName } from '../../contracts/functions.ts';
import { OUTPUTS, stackNames } from '../../contracts/outputs.ts';
import { callsAtOnce } from '../../domain/cycle-scope.ts';
import { DIRECTIONS, type Direction, STORES } from '../../domain/direction.ts';
import { MACHINES, type Machine } from '../../domain/phase.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Capabilities } from '../capabilities.ts';
import { grantAbilities } from '../constructs/abilities.ts';
import { Alarms } from '../constructs/alarms.ts';
import { bundleCode } from '../constructs/code-bundle.ts';
import { CrossfadeFunction, type FunctionDefaults, functionTimeout } from '../constructs/crossfade-function.ts';
import { MigrationDashboard, type QueuePair } from '../constructs/dashboard.ts';
import { grantDatabaseAccess } from '../constructs/database-access.ts';
import { CrossfadeHttpApi } from '../constructs/http-api.ts';
import { MachineConstruct } from '../constructs/machine.ts';
import { RdsProxy } from '../constructs/rds-proxy.ts';
import { Schedules } from '../constructs/schedules.ts';
import { ENVIRONMENT_POLICIES, inWholeSeconds, logRetention } from '../environment-policy.ts';
import { FUNCTION_TABLE } from '../function-table.ts';
import type { HandedQueue, HandedState } from '../handed-state.ts';
import type { StateStack } from './state-stack.ts';

export interface ControlStackProps extends StackProps {
  readonly plan: Plan;
  readonly planHash: string;
  readonly state: StateStack;
  readonly capabilities: Capabilities;
  readonly architecture: Architecture;
  /** Folder with `<name>/handler.ts`. */
  readonly handlers: string;
  /** Variables that every function gets beside its own. */
  readonly lambdaEnvironment: Readonly<Record<string, string>>;
}

type Functions = Readonly<Record<FunctionName, CrossfadeFunction>>;
/** Messages that a function takes at once; each is one event. */
const RETRY_BATCH = 10;

export class ControlStack extends Stack {
  readonly functions: Functions;
  readonly machines: Readonly<Record<Machine, MachineConstruct>>;
  private readonly key: IKey | undefined;

  constructor(scope: Construct, id: string, props: ControlStackProps) {
    super(scope, id, props);
    const { plan, capabilities } = props;
    const state = props.state.handed;
    this.addStackDependency(props.state);
    this.key = state.keyArn === undefined ? undefined : Key.fromKeyArn(this, 'Key', state.keyArn);
    const queues = fromEntries(DIRECTIONS, (direction) => this.importQueues(direction, state));
    const logs = {
      logRetention: logRetention(plan),
      logRemoval: ENVIRONMENT_POLICIES[plan.environment].removal,
      logKey: this.key,
    };

    this.functions = this.makeFunctions(props, {
      code: bundleCode(this, { handlers: props.handlers, names: FUNCTIONS, plan }),
      architecture: props.architecture,
      environment: {
        ...this.functionEnvironment(props),
        ...this.makeProxies(plan, capabilities),
        ...props.lambdaEnvironment,
      },
      ...logs,
      network: plan.network,
    });
    this.feedRetries(queues);
    this.machines = fromEntries(MACHINES, (machine) => this.makeMachine(machine, props, logs));

    const { relay, controller, data, routing } = this.functions;
    const schedules = new Schedules(this, 'Schedules', {
      plan,
      relay: relay.resource,
      controller: controller.resource,
      reconcile: this.machines.reconcile.resource,
      removalPolicy: RemovalPolicy.DESTROY,
      enforceTls: capabilities.tls,
      encryptionKey: this.key,
    });
    const api = new CrossfadeHttpApi(this, 'Api', {
      apiName: `crossfade-${plan.name}`,
      dryRun: this.functions['dry-run'].resource,
      data: data.resource,
      routing: routing.resource,
      dataRoute: plan.reads.route,
      ...logs,
    });
    new Alarms(this, 'Alarms', {
      plan,
      deadQueues: { forward: queues.forward.dead, reverse: queues.reverse.dead },
      scheduleDeadQueue: schedules.dead,
      relay: relay.resource,
      compositeAlarms: capabilities.compositeAlarms,
    });
    const dashboard = new MigrationDashboard(this, 'Dashboard', {
      plan,
      queues,
      bucketName: props.state.handed.bucketName,
    });
    this.addOutputs(props, api.resource.apiEndpoint, dashboard.resource.dashboardName);
  }

  private makeFunctions({ plan, state }: ControlStackProps, defaults: FunctionDefaults): Functions {
    return fromEntries(FUNCTIONS, (name) => {
      const row = FUNCTION_TABLE[name];
      const made = new CrossfadeFunction(this, `Function-${name}`, {
        ...defaults,
        functionName: resourceName(plan.name, name),
        entry: name,
        about: row.about,
        memory: row.memory,
        timeout: functionTimeout(row.timeout, plan.relay.runFor),
      });
      grantDatabaseAccess(made.role, plan, row.purposes);
      grantAbilities(name, { role: made.role, plan, state: state.handed, key: this.key });
      if (plan.alarms.topicArn !== undefined)
        Topic.fromTopicArn(made, 'AlarmTopic', plan.alarms.topicArn).grantPublish(made.role);
      return made;
    });
  }

  private makeMachine(
    machine: Machine,
    { plan, state, capabilities }: ControlStackProps,
    logs: Pick<FunctionDefaults, 'logRetention' | 'logRemoval' | 'logKey'>,
  ) {
    const fn = this.functions[machine].resource;
    const compares = machine === 'reconcile';
    const asks = MACHINES_THAT_ASK.includes(machine);
    return new MachineConstruct(this, `Machine-${machine}`, {
      machine,
      stateMachineName: resourceName(plan.name, machine),
      function: fn,
      texts: { Function: fn.functionArn, ...(compares ? { Bucket: state.handed.bucketName } : {}) },
      numbers: {
        ...(asks ? { ApprovalTimeoutSeconds: inWholeSeconds(plan.approvals.expiry).toSeconds() } : {}),
        ...(compares ? { Concurrency: callsAtOnce(plan.reconcile.concurrency, plan.pools) } : {}),
      },
      ...(compares ? { mapBucketArn: state.handed.bucketArn } : {}),
      key: this.key,
      batchedDistributedMap: capabilities.batchedDistributedMap,
      ...logs,
    });
  }

  private importQueues(direction: Direction, { queues, keyArn }: HandedState): QueuePair {
    const take = (id: string, { arn, url }: HandedQueue) =>
      Queue.fromQueueAttributes(this, id, {
        queueArn: arn,
        queueUrl: url,
        ...(keyArn === undefined ? {} : { keyArn }),
      });
    const { retry, dead } = queues[direction];
    return { retry: take(`Retries-${direction}`, retry), dead: take(`Dead-${direction}`, dead) };
  }

  /** Both retry queues feed one function, which tells the direction from the message. */
  private feedRetries(queues: Readonly<Record<Direction, QueuePair>>): void {
    for (const direction of DIRECTIONS) {
      this.functions.retry.resource.addEventSource(
        new SqsEventSource(queues[direction].retry, { batchSize: RETRY_BATCH, reportBatchItemFailures: true }),
      );
    }
  }

  private functionEnvironment({ plan, state }: ControlStackProps): Record<string, string> {
    const { tableName, bucketName, flags, queues } = state.handed;
    const stacks = stackNames(plan.name);
    return {
      [ENV.controlTable]: tableName,
      [ENV.bucket]: bucketName,
      [ENV.forwardRetryQueue]: queues.forward.retry.url,
      [ENV.forwardDeadQueue]: queues.forward.dead.url,
      [ENV.reverseRetryQueue]: queues.reverse.retry.url,
      [ENV.reverseDeadQueue]: queues.reverse.dead.url,
      [ENV.flagsApplication]: flags.application,
      [ENV.flagsEnvironment]: flags.environment,
      [ENV.flagsProfile]: flags.profile,
      [ENV.flagsStrategy]: flags.strategy,
      [ENV.machinePrefix]: this.machinePrefix(plan),
      [ENV.relayFunction]: resourceName(plan.name, 'relay'),
      [ENV.stacks]: `${stacks.state},${stacks.control}`,
      ...(plan.alarms.topicArn === undefined ? {} : { [ENV.alarmTopic]: plan.alarms.topicArn }),
    };
  }

  private machinePrefix(plan: Plan): string {
    return this.formatArn({
      service: 'states',
      resource: 'stateMachine',
      resourceName: resourceName(plan.name, ''),
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  /** @returns the variables that lead the functions to the proxies. */
  private makeProxies(plan: Plan, capabilities: Capabilities): Record<string, string> {
    const { network } = plan;
    if (network?.rdsProxy !== true || !capabilities.rdsProxy) return {};
    const environment: Record<string, string> = {};
    for (const storeName of STORES) {
      const store = plan[storeName];
      if (store.driver !== 'pg' || (store.clusterIdentifier ?? store.instanceIdentifier) === undefined) continue;
      const proxy = new RdsProxy(this, `Proxy-${storeName}`, { plan, storeName, store, network });
      environment[storeName === 'legacy' ? ENV.legacyProxyHost : ENV.targetProxyHost] = proxy.endpoint;
    }
    return environment;
  }

  private addOutputs({ plan, planHash, state }: ControlStackProps, apiUrl: string, dashboardName: string): void {
    const { tableName, bucketName, flags, queues } = state.handed;
    const values: Readonly<Record<keyof typeof OUTPUTS, string>> = {
      controlTable: tableName,
      bucket: bucketName,
      forwardRetryQueue: queues.forward.retry.url,
      forwardDeadQueue: queues.forward.dead.url,
      reverseRetryQueue: queues.reverse.retry.url,
      reverseDeadQueue: queues.reverse.dead.url,
      flagsApplication: flags.application,
      flagsEnvironment: flags.environment,
      flagsProfile: flags.profile,
      flagsStrategy: flags.strategy,
      machinePrefix: this.machinePrefix(plan),
      relayFunction: resourceName(plan.name, 'relay'),
      apiUrl,
      dashboardUrl: `https://${this.region}.console.aws.amazon.com/cloudwatch/home?region=${this.region}#dashboards/dashboard/${dashboardName}`,
      planHash,
      environment: plan.environment,
      nextCommand: `npx crossfade start baseline --plan ${plan.name}`,
    };
    for (const [name, key] of Object.entries(OUTPUTS)) {
      // The keys of OUTPUTS, which Object.entries widens to text.
      new CfnOutput(this, key, { value: values[name as keyof typeof OUTPUTS] });
    }
  }
}

/** Machines with a RequestApproval state. */
const MACHINES_THAT_ASK: readonly Machine[] = [
  'dual-write',
  'reconcile',
  'cutover',
  'switchover',
  'decommission',
  'rollback',
];

function fromEntries<Name extends string, Value>(
  names: readonly Name[],
  make: (name: Name) => Value,
): Readonly<Record<Name, Value>> {
  // Object.fromEntries forgets the names that it was given.
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>;
}

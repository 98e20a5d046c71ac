/** One state machine from state-machines/<name>.asl.json, with what it may do, its log and its trace. */
import { readFileSync } from 'node:fs';
import { ArnFormat, Fn, type RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { CYCLES_PREFIX, MAP_RESULTS_PREFIX } from '../../contracts/object-prefixes.ts';
import type { Machine } from '../../domain/phase.ts';
import { unbatchDistributedMaps } from '../distributed-map.ts';
import { grantKey } from './key-access.ts';
import { nagName } from './nag-name.ts';

export interface MachineProps {
  readonly machine: Machine;
  readonly stateMachineName: string;
  /** Does the machine's steps. */
  readonly function: IFunction;
  /** Put in place of `${Name}` by CloudFormation. */
  readonly texts: Readonly<Record<string, string>>;
  /** Put in place of `"${Name}"` here, without the quotes: Step Functions wants numbers where CloudFormation would leave text. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Bucket that its Distributed Map reads from and writes to. @default - it has none */
  readonly mapBucketArn?: string | undefined;
  readonly batchedDistributedMap: boolean;
  readonly logRetention: RetentionDays;
  readonly logRemoval: RemovalPolicy;
  readonly logKey?: IKey | undefined;
  /** Key of the bucket. @default - encrypted by S3 */
  readonly key?: IKey | undefined;
}

export class MachineConstruct extends Construct {
  readonly resource: StateMachine;

  constructor(scope: Construct, id: string, props: MachineProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Logs', {
      // Under this prefix AWS keeps one log policy for all machines: one each would pass its limit of 5120 characters. The end of
      // the stack's id makes the name new for a new stack, so that logs which a destroyed one left are no obstacle.
      logGroupName: `/aws/vendedlogs/states/${props.stateMachineName}-${Fn.select(2, Fn.split('/', Stack.of(this).stackId))}`,
      retention: props.logRetention,
      removalPolicy: props.logRemoval,
      ...(props.logKey === undefined ? {} : { encryptionKey: props.logKey }),
    });
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com'),
      description: `machine ${props.machine}`,
    });
    this.resource = new StateMachine(this, 'Resource', {
      stateMachineName: props.stateMachineName,
      definitionBody: DefinitionBody.fromString(readDefinition(props)),
      definitionSubstitutions: { ...props.texts },
      role,
      tracingEnabled: true,
      // Execution data may hold a task token on its way to the function, which is a credential.
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: false },
    });
    role.addToPolicy(
      new PolicyStatement({
        sid: 'Steps',
        actions: ['lambda:InvokeFunction'],
        resources: [props.function.functionArn],
      }),
    );
    if (props.mapBucketArn !== undefined) {
      grantDistributedMap(role, props.stateMachineName, props.mapBucketArn);
      grantKey(role, props.key);
    }
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'Log deliveries and X-Ray segments belong to no resource that a policy could name.',
    });
  }
}

/**
 * The definition with its numbers in place.
 * @throws when a placeholder has no value, or a value no placeholder: neither CloudFormation nor Step Functions would say so.
 */
export function readDefinition({
  machine,
  texts,
  numbers,
  batchedDistributedMap,
}: Pick<MachineProps, 'machine' | 'texts' | 'numbers' | 'batchedDistributedMap'>): string {
  const file = new URL(`../../../state-machines/${machine}.asl.json`, import.meta.url);
  const text = readFileSync(file, 'utf8');
  const wanted = new Set([...text.matchAll(/\$\{(?<name>\w+)\}/g)].map((match) => match.groups?.name ?? ''));
  const given = new Set([...Object.keys(texts), ...Object.keys(numbers)]);
  const missing = [...wanted].filter((name) => !given.has(name));
  const unused = [...given].filter((name) => !wanted.has(name));
  if (missing.length > 0)
    throw new Error(`${machine}.asl.json: no value for ${missing.join(', ')}; add it where the machine is made`);
  if (unused.length > 0)
    throw new Error(`${machine}.asl.json: nothing is called ${unused.join(', ')}; remove it where the machine is made`);

  const inlined = Object.entries(numbers).reduce(
    (all, [name, value]) => all.replaceAll(`"\${${name}}"`, String(value)),
    text,
  );
  const definition = JSON.parse(inlined);
  return JSON.stringify(batchedDistributedMap ? definition : unbatchDistributedMaps(definition));
}

/** A Distributed Map starts its children as executions of the machine itself, reads its items and writes its results. */
function grantDistributedMap(role: Role, stateMachineName: string, bucketArn: string): void {
  const stack = Stack.of(role);
  // Built from the name: a reference to the machine from its own role would be a circle.
  const machineArn = stack.formatArn({
    service: 'states',
    resource: 'stateMachine',
    resourceName: stateMachineName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const children = stack.formatArn({
    service: 'states',
    resource: 'execution',
    resourceName: `${stateMachineName}/*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const items = `${bucketArn}/${CYCLES_PREFIX}*`;
  const results = `${bucketArn}/${MAP_RESULTS_PREFIX}*`;
  role.addToPolicy(
    new PolicyStatement({ sid: 'Children', actions: ['states:StartExecution'], resources: [machineArn] }),
  );
  role.addToPolicy(
    new PolicyStatement({
      sid: 'ChildrenOf',
      actions: ['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution'],
      resources: [children],
    }),
  );
  role.addToPolicy(new PolicyStatement({ sid: 'Items', actions: ['s3:GetObject'], resources: [items] }));
  role.addToPolicy(
    new PolicyStatement({
      sid: 'Results',
      actions: ['s3:PutObject', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload'],
      resources: [results],
    }),
  );
  for (const resource of [children, items, results]) {
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${nagName(role, resource)}]`,
      reason: 'Children, lists of chunks and results get their names at run time; all are this machine’s own.',
    });
  }
}

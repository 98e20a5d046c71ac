/** One function with its own role and log group: what it may do is granted by database-access.ts and abilities.ts, nothing else. */
import { Duration, type RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type Architecture, CfnFunction, type Code, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export interface FunctionNetwork {
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

/** What all functions of a deployment have in common. */
export interface FunctionDefaults {
  readonly code: Code;
  readonly architecture: Architecture;
  readonly environment: Readonly<Record<string, string>>;
  readonly logRetention: RetentionDays;
  readonly logRemoval: RemovalPolicy;
  /** Key of the log groups. @default - encrypted by CloudWatch Logs */
  readonly logKey?: IKey | undefined;
  /** @default - not in a VPC */
  readonly network?: FunctionNetwork | undefined;
}

export interface CrossfadeFunctionProps extends FunctionDefaults {
  readonly functionName: string;
  /** Name of its bundle. */
  readonly entry: string;
  readonly about: string;
  /** MB. */
  readonly memory: number;
  readonly timeout: Duration;
}

export class CrossfadeFunction extends Construct {
  readonly resource: NodejsFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: CrossfadeFunctionProps) {
    super(scope, id);
    const { network } = props;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: props.logRemoval,
      ...(props.logKey === undefined ? {} : { encryptionKey: props.logKey }),
    });
    this.role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: props.about,
    });
    logGroup.grantWrite(this.role);
    if (network !== undefined) allowNetworkInterfaces(this.role);

    this.resource = new NodejsFunction(this, 'Resource', {
      functionName: props.functionName,
      description: props.about,
      code: props.code,
      handler: `${props.entry}.handler`,
      runtime: Runtime.NODEJS_24_X,
      architecture: props.architecture,
      memorySize: props.memory,
      timeout: props.timeout,
      environment: { NODE_OPTIONS: '--enable-source-maps', ...props.environment },
      role: this.role,
      logGroup,
      tracing: Tracing.ACTIVE,
    });
    if (network !== undefined) joinNetwork(this.resource, network);
    Validations.of(this.role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'X-Ray segments, and network interfaces of a function in a VPC, belong to no resource that a policy could name.',
    });
  }
}

/** Set on the resource itself: the plan has ids, and constructs for subnets would ask for their zones and route tables. */
function joinNetwork(fn: NodejsFunction, { subnetIds, securityGroupIds }: FunctionNetwork): void {
  const { defaultChild } = fn.node;
  if (!(defaultChild instanceof CfnFunction)) throw new Error(`${fn.node.path} has no function to put into the VPC`);
  defaultChild.vpcConfig = { subnetIds: [...subnetIds], securityGroupIds: [...securityGroupIds] };
}

/** What AWSLambdaVPCAccessExecutionRole allows, without its permissions for logs. */
function allowNetworkInterfaces(role: Role): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [
        'ec2:CreateNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:DeleteNetworkInterface',
        'ec2:AssignPrivateIpAddresses',
        'ec2:UnassignPrivateIpAddresses',
      ],
      resources: ['*'],
    }),
  );
}

/** A step ends itself before the machine's TimeoutSeconds; the relay before Lambda's 15 minutes. */
export function functionTimeout(timeout: number | 'run', runFor: number): Duration {
  const RELAY_MARGIN_SECONDS = 55;
  const LAMBDA_LIMIT_SECONDS = 900;
  return Duration.seconds(
    timeout === 'run' ? Math.min(Math.ceil(runFor / 1_000) + RELAY_MARGIN_SECONDS, LAMBDA_LIMIT_SECONDS) : timeout,
  );
}

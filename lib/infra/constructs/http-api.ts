/** The HTTP API: every route asks for a signed request (IAM), and every request leaves a line in the access log. */
import type { RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpMethod, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export const DRY_RUN_ROUTE = '/api/v1/internal/dual-write/dry-run';
export const ROUTING_ROUTE = '/api/v2/routing';

export interface HttpApiProps {
  readonly apiName: string;
  readonly dryRun: IFunction;
  readonly data: IFunction;
  readonly routing: IFunction;
  /** Path of the read route. */
  readonly dataRoute: string;
  readonly logRetention: RetentionDays;
  readonly logRemoval: RemovalPolicy;
  readonly logKey?: IKey | undefined;
}

/** Requests a second, and at once: a guard against runaway callers, far above what two databases are asked in a migration. */
const THROTTLE = { rateLimit: 2_000, burstLimit: 4_000 };

export class CrossfadeHttpApi extends Construct {
  readonly resource: HttpApi;

  constructor(scope: Construct, id: string, props: HttpApiProps) {
    super(scope, id);
    this.resource = new HttpApi(this, 'Resource', {
      apiName: props.apiName,
      description: 'reads through the router, and dry runs of writes',
      createDefaultStage: false,
      defaultAuthorizer: new HttpIamAuthorizer(),
    });
    const logGroup = new LogGroup(this, 'AccessLogs', {
      retention: props.logRetention,
      removalPolicy: props.logRemoval,
      ...(props.logKey === undefined ? {} : { encryptionKey: props.logKey }),
    });
    new HttpStage(this, 'Stage', {
      httpApi: this.resource,
      stageName: '$default',
      autoDeploy: true,
      throttle: THROTTLE,
      accessLogSettings: { destination: new LogGroupLogDestination(logGroup), format: ACCESS_LOG },
    });
    this.addRoute('DryRun', HttpMethod.POST, DRY_RUN_ROUTE, props.dryRun);
    this.addRoute('Data', HttpMethod.GET, props.dataRoute, props.data);
    this.addRoute('Routing', HttpMethod.GET, ROUTING_ROUTE, props.routing);
  }

  private addRoute(id: string, method: HttpMethod, path: string, handler: IFunction): void {
    this.resource.addRoutes({ path, methods: [method], integration: new HttpLambdaIntegration(id, handler) });
  }
}

/** No query strings: they may name rows. */
const ACCESS_LOG = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    time: '$context.requestTime',
    route: '$context.routeKey',
    status: '$context.status',
    milliseconds: '$context.responseLatency',
    caller: '$context.identity.userArn',
    ip: '$context.identity.sourceIp',
    error: '$context.error.message',
  }),
);

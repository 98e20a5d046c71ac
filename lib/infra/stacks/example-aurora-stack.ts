/**
 * An example to try Crossfade on AWS: two Aurora PostgreSQL Serverless v2 clusters of different majors, with the Data API on.
 * Nothing of Crossfade needs it; in earnest the databases exist already. They can be deleted, and are with the stack.
 */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { IpAddresses, type IVpc, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  Credentials,
  DatabaseCluster,
  DatabaseClusterEngine,
} from 'aws-cdk-lib/aws-rds';
import type { Construct } from 'constructs';
import { STORES, type StoreName } from '../../domain/direction.ts';

const DATABASE = 'shop';
const VERSIONS: Readonly<Record<StoreName, AuroraPostgresEngineVersion>> = {
  legacy: AuroraPostgresEngineVersion.VER_15_12,
  target: AuroraPostgresEngineVersion.VER_17_4,
};

export class ExampleAuroraStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps = {}) {
    super(scope, id, { description: 'Crossfade example: two Aurora Serverless v2 clusters', ...props });
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.42.0.0/24'),
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'databases', subnetType: SubnetType.PRIVATE_ISOLATED }],
    });
    Validations.of(vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason: 'Example: nothing but two databases is in it, and no way out.',
    });
    for (const store of STORES) this.addCluster(store, vpc);
  }

  private addCluster(store: StoreName, vpc: Vpc): void {
    const cluster = new DatabaseCluster(this, `Cluster-${store}`, {
      engine: DatabaseClusterEngine.auroraPostgres({ version: VERSIONS[store] }),
      vpc: vpc as IVpc, // CDK's own class does not fit its interface under exactOptionalPropertyTypes
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      writer: ClusterInstance.serverlessV2('Writer'),
      // Half a unit at rest: a cluster that pauses answers the first statements with DatabaseResumingException.
      serverlessV2MinCapacity: 0.5,
      serverlessV2MaxCapacity: 4,
      enableDataApi: true,
      defaultDatabaseName: DATABASE,
      credentials: Credentials.fromGeneratedSecret('crossfade_admin'),
      storageEncrypted: true,
      iamAuthentication: true,
      backup: { retention: Duration.days(1) },
      deletionProtection: false,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const example = 'Example: made to be tried and thrown away.';
    Validations.of(cluster).acknowledge(
      { id: 'AwsSolutions-RDS10', reason: `${example} Deletion protection would be in the way of cdk destroy.` },
      { id: 'AwsSolutions-RDS11', reason: `${example} Reached by the Data API only, so the port says nothing.` },
      { id: 'AwsSolutions-SMG4', reason: `${example} It does not live until the first rotation.` },
    );
    new CfnOutput(this, `${store}ClusterArn`, {
      value: cluster.clusterArn,
      description: `${store}.clusterArn of the plan`,
    });
    new CfnOutput(this, `${store}SecretArn`, {
      value: cluster.secret?.secretArn ?? '',
      description: `${store}.secretArn of the plan`,
    });
  }
}

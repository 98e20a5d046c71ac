/** An RDS Proxy before a `pg` store, for the secrets of Crossfade's roles on it. Clients must use TLS; the store stays as it is. */
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDBProxy, CfnDBProxyTargetGroup } from 'aws-cdk-lib/aws-rds';
import { Construct } from 'constructs';
import { resourceName } from '../../contracts/functions.ts';
import type { StoreName } from '../../domain/direction.ts';
import { type PgStore, type Plan, ROLE_PURPOSES, secretArnFor } from '../../plan/plan.ts';

export interface RdsProxyProps {
  readonly plan: Plan;
  readonly storeName: StoreName;
  readonly store: PgStore;
  readonly network: NonNullable<Plan['network']>;
}

export class RdsProxy extends Construct {
  readonly endpoint: string;

  constructor(scope: Construct, id: string, { plan, storeName, store, network }: RdsProxyProps) {
    super(scope, id);
    const secrets = [
      ...new Set(ROLE_PURPOSES.map((purpose) => secretArnFor(store, purpose)).filter((arn) => arn !== undefined)),
    ];
    if (secrets.length === 0) {
      throw new Error(
        `network.rdsProxy: the ${storeName} store has no secretArn; a proxy signs in with secrets, not with the URL of ${store.urlEnv ?? 'an environment variable'}`,
      );
    }
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('rds.amazonaws.com'),
      description: `proxy of the ${storeName} store`,
    });
    role.addToPolicy(
      new PolicyStatement({ sid: 'Secrets', actions: ['secretsmanager:GetSecretValue'], resources: secrets }),
    );
    const proxy = new CfnDBProxy(this, 'Resource', {
      dbProxyName: resourceName(plan.name, storeName),
      engineFamily: 'POSTGRESQL',
      requireTls: true,
      roleArn: role.roleArn,
      vpcSubnetIds: [...network.subnetIds],
      vpcSecurityGroupIds: [...network.securityGroupIds],
      auth: secrets.map((secretArn) => ({
        authScheme: 'SECRETS',
        iamAuth: 'DISABLED',
        secretArn,
        clientPasswordAuthType: 'POSTGRES_SCRAM_SHA_256',
      })),
    });
    // The proxy reads the secrets as soon as it exists.
    proxy.node.addDependency(role);
    new CfnDBProxyTargetGroup(this, 'Targets', {
      dbProxyName: proxy.ref,
      targetGroupName: 'default',
      ...(store.clusterIdentifier === undefined ? {} : { dbClusterIdentifiers: [store.clusterIdentifier] }),
      ...(store.instanceIdentifier === undefined ? {} : { dbInstanceIdentifiers: [store.instanceIdentifier] }),
      // Sessions of Crossfade's roles only: the application keeps its own way in.
      connectionPoolConfigurationInfo: {
        maxConnectionsPercent: 30,
        maxIdleConnectionsPercent: 10,
        connectionBorrowTimeout: 5,
      },
    });
    this.endpoint = proxy.attrEndpoint;
  }
}

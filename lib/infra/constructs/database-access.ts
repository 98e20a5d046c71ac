/** Lets a function open the stores for the purposes in its row: the Data API on the plan's clusters, and exactly their secrets. */
import { Validations } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { STORES } from '../../domain/direction.ts';
import { type Plan, type RolePurpose, secretArnFor } from '../../plan/plan.ts';

const DATA_API_ACTIONS = [
  'rds-data:ExecuteStatement',
  'rds-data:BatchExecuteStatement',
  'rds-data:BeginTransaction',
  'rds-data:CommitTransaction',
  'rds-data:RollbackTransaction',
];

export function grantDatabaseAccess(role: Role, plan: Plan, purposes: readonly RolePurpose[]): void {
  if (purposes.length === 0) return;
  const clusters = unique(
    STORES.map((store) => plan[store]).flatMap((store) => (store.driver === 'rds-data' ? [store.clusterArn] : [])),
  );
  if (clusters.length > 0)
    role.addToPolicy(new PolicyStatement({ sid: 'DataApi', actions: DATA_API_ACTIONS, resources: clusters }));

  const secrets = secretArns(plan, purposes);
  if (secrets.length === 0) return;
  role.addToPolicy(
    new PolicyStatement({
      sid: 'Secrets',
      actions: ['secretsmanager:GetSecretValue'],
      resources: secrets.map(anySuffix),
    }),
  );
  for (const secret of secrets.filter((arn) => anySuffix(arn) !== arn)) {
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${anySuffix(secret)}]`,
      reason:
        'The plan names the secret without the six characters that Secrets Manager appends; they stand for exactly one secret.',
    });
  }
}

export function secretArns(plan: Plan, purposes: readonly RolePurpose[]): readonly string[] {
  return unique(STORES.flatMap((store) => purposes.map((purpose) => secretArnFor(plan[store], purpose)))).filter(
    (arn) => arn !== undefined,
  );
}

/** A full ARN ends in a hyphen and six characters; a partial one gets six wildcards (`-??????`), as the service documents. */
function anySuffix(arn: string): string {
  return /-[A-Za-z0-9]{6}$/.test(arn) ? arn : `${arn}-??????`;
}

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}

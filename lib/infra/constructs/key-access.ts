/** Lets a role use the key of what it reads and writes. By name: the grants of CDK's Key allow `GenerateDataKey*` and `ReEncrypt*`. */
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';

export function grantKey(role: Role, key: IKey | undefined): void {
  if (key === undefined) return;
  role.addToPolicy(
    new PolicyStatement({ sid: 'Key', actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [key.keyArn] }),
  );
}

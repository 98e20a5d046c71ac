/** Lets `cdk destroy` leave nothing behind: empties the bucket and the flag profile, which would otherwise refuse to be deleted. */
import { CustomResource, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { bundleCode } from './code-bundle.ts';
import { CrossfadeFunction, type FunctionDefaults } from './crossfade-function.ts';
import type { Flags } from './flags.ts';
import { nagName } from './nag-name.ts';

export interface TeardownProps extends Omit<FunctionDefaults, 'code' | 'environment'> {
  readonly handlers: string;
  readonly functionName: string;
  readonly bucket: Bucket;
  readonly flags: Flags;
  readonly profileArn: string;
  readonly environment: Readonly<Record<string, string>>;
}

export class Teardown extends Construct {
  constructor(scope: Construct, id: string, { handlers, bucket, flags, profileArn, ...props }: TeardownProps) {
    super(scope, id);
    const fn = new CrossfadeFunction(this, 'Function', {
      ...props,
      code: bundleCode(this, { handlers, names: ['teardown'] }),
      entry: 'teardown',
      about: 'empties the bucket and the flag profile when the stack is destroyed',
      memory: 512,
      timeout: Duration.minutes(15),
    });
    const objects = bucket.arnForObjects('*');
    const versions = `${profileArn}/hostedconfigurationversion/*`;
    fn.role.addToPolicy(
      new PolicyStatement({
        sid: 'Objects',
        actions: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
        resources: [objects],
      }),
    );
    fn.role.addToPolicy(
      new PolicyStatement({ sid: 'ObjectList', actions: ['s3:ListBucketVersions'], resources: [bucket.bucketArn] }),
    );
    fn.role.addToPolicy(
      new PolicyStatement({
        sid: 'Versions',
        actions: ['appconfig:ListHostedConfigurationVersions', 'appconfig:DeleteHostedConfigurationVersion'],
        resources: [profileArn, versions],
      }),
    );
    for (const resource of [objects, versions]) {
      Validations.of(fn.role).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${nagName(this, resource)}]`,
        reason: 'It empties the whole bucket and the whole profile of this deployment, and no other.',
      });
    }
    const resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::CrossfadeTeardown',
      serviceToken: fn.resource.functionArn,
      removalPolicy: RemovalPolicy.DESTROY,
      properties: { bucket: bucket.bucketName, application: flags.application.ref, profile: flags.profile.ref },
    });
    // Deleted first, while the function, what it may do, and what it empties are still there.
    resource.node.addDependency(fn, bucket, flags);
  }
}

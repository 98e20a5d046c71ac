/**
 * AppConfig: application, environment, feature-flag profile, deployment strategy, and the first version, in which nobody is exposed.
 *
 * Ramps at run time publish version 2, 3, … of the same profile. So that no later `cdk deploy` takes one back, nothing in the
 * first version or its deployment can change: the content is a constant (a test holds its hash), the deployment names version
 * `1` and the strategy AppConfig.AllAtOnce, neither of them by reference. CloudFormation then never has a reason to deploy again.
 */
import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import {
  CfnApplication,
  CfnConfigurationProfile,
  CfnDeployment,
  CfnDeploymentStrategy,
  CfnEnvironment,
  CfnHostedConfigurationVersion,
} from 'aws-cdk-lib/aws-appconfig';
import { Construct } from 'constructs';
import { INITIAL_FLAGS, toFlagsDocument } from '../../contracts/flags-document.ts';
import type { Plan } from '../../plan/plan.ts';

export interface FlagsProps {
  readonly plan: Plan;
  readonly removalPolicy: RemovalPolicy;
}

export const INITIAL_FLAGS_CONTENT = JSON.stringify(toFlagsDocument(INITIAL_FLAGS));
/** AppConfig numbers the versions of a profile from 1. */
const FIRST_VERSION = '1';
const ALL_AT_ONCE = 'AppConfig.AllAtOnce';

export class Flags extends Construct {
  readonly application: CfnApplication;
  readonly environment: CfnEnvironment;
  readonly profile: CfnConfigurationProfile;
  /** How run-time changes are rolled out. */
  readonly strategy: CfnDeploymentStrategy;

  constructor(scope: Construct, id: string, { plan, removalPolicy }: FlagsProps) {
    super(scope, id);
    const name = `crossfade-${plan.name}`;
    this.application = new CfnApplication(this, 'Application', { name, description: 'who should be exposed' });
    const applicationId = this.application.ref;
    this.environment = new CfnEnvironment(this, 'Environment', { applicationId, name: plan.environment });
    this.profile = new CfnConfigurationProfile(this, 'Profile', {
      applicationId,
      name: 'exposure',
      locationUri: 'hosted',
      type: 'AWS.AppConfig.FeatureFlags',
    });
    this.strategy = new CfnDeploymentStrategy(this, 'Strategy', {
      name,
      deploymentDurationInMinutes: minutes(plan.flags.ramp),
      finalBakeTimeInMinutes: minutes(plan.flags.bake),
      growthFactor: plan.flags.stepPercent,
      growthType: 'LINEAR',
      replicateTo: 'NONE',
    });
    const version = new CfnHostedConfigurationVersion(this, 'FirstVersion', {
      applicationId,
      configurationProfileId: this.profile.ref,
      contentType: 'application/json',
      content: INITIAL_FLAGS_CONTENT,
      description: 'nobody is exposed',
    });
    const deployment = new CfnDeployment(this, 'FirstDeployment', {
      applicationId,
      environmentId: this.environment.ref,
      configurationProfileId: this.profile.ref,
      configurationVersion: FIRST_VERSION,
      deploymentStrategyId: ALL_AT_ONCE,
    });
    deployment.addResourceDependency(version);
    for (const resource of [this.application, this.environment, this.profile, this.strategy, version, deployment]) {
      resource.applyRemovalPolicy(removalPolicy);
    }
  }
}

function minutes(milliseconds: number): number {
  return Duration.millis(milliseconds).toMinutes();
}

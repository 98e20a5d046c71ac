/** Both stacks of one plan in an app, with the checks of cdk-nag. Context says the rest: see `AppSettings`. */
import {
  type App,
  CliCredentialsStackSynthesizer,
  DefaultStackSynthesizer,
  type IStackSynthesizer,
  Tags,
  Validations,
} from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import { stackNames } from '../contracts/outputs.ts';
import { planHash } from '../plan/hash.ts';
import type { Plan } from '../plan/plan.ts';
import { type Capabilities, readCapabilities, readJsonContext } from './capabilities.ts';
import { ENVIRONMENT_POLICIES } from './environment-policy.ts';
import { ControlStack } from './stacks/control-stack.ts';
import { StateStack } from './stacks/state-stack.ts';

export interface AppSettings {
  readonly plan: Plan;
  /** Folder with `<name>/handler.ts`. */
  readonly handlers: string;
  /** Account and Region; absent: wherever the template is deployed. */
  readonly env?: { readonly account?: string | undefined; readonly region?: string | undefined };
}

export interface CrossfadeStacks {
  readonly state: StateStack;
  readonly control: ControlStack;
}

/**
 * Reads from context: `capabilities` (capabilities.ts), `lambdaEnvironment` (JSON object of variables for every function),
 * `terminationProtection` (`false` lets `cdk destroy` through in staging and prod when no migration is under way).
 */
export function addCrossfade(app: App, { plan, handlers, env = {} }: AppSettings): CrossfadeStacks {
  const names = stackNames(plan.name);
  const capabilities = readCapabilities(app.node);
  const shared = {
    plan,
    handlers,
    architecture: capabilities.arm64 ? Architecture.ARM_64 : Architecture.X86_64,
    lambdaEnvironment: readLambdaEnvironment(app),
    env: {
      ...(env.account === undefined ? {} : { account: env.account }),
      ...(env.region === undefined ? {} : { region: env.region }),
    },
    capabilities,
    terminationProtection: readTerminationProtection(app, plan),
  };
  const state = new StateStack(app, names.state, {
    ...shared,
    synthesizer: makeSynthesizer(capabilities),
    description: `Crossfade ${plan.name}: what holds state`,
  });
  const control = new ControlStack(app, names.control, {
    ...shared,
    state,
    synthesizer: makeSynthesizer(capabilities),
    planHash: planHash(plan),
    description: `Crossfade ${plan.name}: functions, state machines, API, alarms`,
  });
  Tags.of(app).add('crossfade:plan', plan.name);
  Tags.of(app).add('crossfade:environment', plan.environment);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  if (!capabilities.tls) acknowledgePlainHttp(app);
  return { state, control };
}

function acknowledgePlainHttp(app: App): void {
  const reason = 'The endpoint speaks no TLS (capability tls): a policy that asks for it would lock everybody out.';
  for (const id of ['AwsSolutions-S10', 'AwsSolutions-SQS4']) Validations.of(app).acknowledge({ id, reason });
}

/** One for each stack: a synthesizer belongs to the stack that it was given to. */
function makeSynthesizer({ bootstrapRoles }: Capabilities): IStackSynthesizer {
  const synthesizer = bootstrapRoles ? new DefaultStackSynthesizer() : new CliCredentialsStackSynthesizer();
  // CDK's classes do not fit its own interface under exactOptionalPropertyTypes.
  return synthesizer as IStackSynthesizer;
}

function readLambdaEnvironment(app: App): Record<string, string> {
  const given = Object.entries(readJsonContext(app.node, 'lambdaEnvironment'));
  const wrong = given.find(([, value]) => typeof value !== 'string');
  if (wrong !== undefined)
    throw new Error(`context lambdaEnvironment: ${wrong[0]} is no text; expected {"NAME":"value"}`);
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

function readTerminationProtection(app: App, plan: Plan): boolean {
  const given: unknown = app.node.tryGetContext('terminationProtection');
  if (given === undefined) return ENVIRONMENT_POLICIES[plan.environment].terminationProtection;
  return String(given) === 'true';
}

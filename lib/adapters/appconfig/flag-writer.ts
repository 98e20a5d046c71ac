/**
 * Publishes flags as a new hosted configuration version and deploys it; two writers never overwrite each other unseen. The version
 * of flags is the number of the deployment that put them in force: unlike the configuration's own number it can be locked.
 */
import {
  type AppConfigClient,
  ConflictException,
  CreateHostedConfigurationVersionCommand,
  DeleteHostedConfigurationVersionCommand,
  GetDeploymentCommand,
  GetHostedConfigurationVersionCommand,
  ListDeploymentsCommand,
  ResourceNotFoundException,
  StartDeploymentCommand,
} from '@aws-sdk/client-appconfig';
import { type FlagsDocument, fromFlagValues, toFlagsDocument } from '../../contracts/flags-document.ts';
import { FlagsConflict, type FlagWriter } from '../../ports/flags.ts';

export interface FlagWriterOptions {
  readonly client: AppConfigClient;
  readonly applicationId: string;
  readonly environmentId: string;
  readonly profileId: string;
  readonly strategyId: string;
  /** Called after a deployment began, so that the reader beside asks again. */
  readonly onPublished?: (() => void) | undefined;
}

interface Deployment {
  readonly DeploymentNumber?: number | undefined;
  readonly ConfigurationVersion?: string | undefined;
  readonly State?: string | undefined;
  readonly PercentageComplete?: number | undefined;
}

const IN_FLIGHT = new Set(['DEPLOYING', 'BAKING', 'VALIDATING', 'ROLLING_BACK']);
/** Deployments that one list call returns. */
const PAGE = 50;
/** Limit of AppConfig for a deployment's description. */
const MAX_DESCRIPTION = 1024;

export function createFlagWriter(options: FlagWriterOptions): FlagWriter {
  const {
    client,
    applicationId: ApplicationId,
    environmentId: EnvironmentId,
    profileId: ConfigurationProfileId,
  } = options;
  /** Newest first. Not every endpoint lists the newest first, so what a full page leaves out is asked for one by one. */
  const readDeployments = async (): Promise<readonly Deployment[]> => {
    const { Items = [] } = await client.send(
      new ListDeploymentsCommand({ ApplicationId, EnvironmentId, MaxResults: PAGE }),
    );
    const found: Deployment[] = Items.toSorted((a, b) => (b.DeploymentNumber ?? 0) - (a.DeploymentNumber ?? 0));
    for (let more = found.length >= PAGE; more; ) {
      const DeploymentNumber = (found[0]?.DeploymentNumber ?? 0) + 1;
      try {
        found.unshift(await client.send(new GetDeploymentCommand({ ApplicationId, EnvironmentId, DeploymentNumber })));
      } catch (error) {
        if (!(error instanceof ResourceNotFoundException)) throw error;
        more = false;
      }
    }
    return found;
  };
  const readRevision = async (deployed: Deployment): Promise<number> => {
    const VersionNumber = Number(deployed.ConfigurationVersion);
    const { Content } = await client.send(
      new GetHostedConfigurationVersionCommand({ ApplicationId, ConfigurationProfileId, VersionNumber }),
    );
    const document = JSON.parse(new TextDecoder().decode(Content)) as Partial<FlagsDocument>;
    return fromFlagValues(document.values).revision;
  };
  return {
    publish: async (flags, expectedVersion, why) => {
      const deployments = await readDeployments();
      const inFlight = deployments.find(({ State }) => IN_FLIGHT.has(State ?? ''));
      if (inFlight !== undefined) throw new FlagsConflict(describeInFlight(inFlight));
      const deployed = deployments.find(({ State }) => State === 'COMPLETE');
      if (deployed === undefined) {
        throw new FlagsConflict('no version of the flags is deployed; deploy the control stack again');
      }
      const current = await readRevision(deployed);
      if (current !== expectedVersion) {
        throw new FlagsConflict(
          `the flags are at version ${current}, the change was made from version ${expectedVersion}; read them again`,
        );
      }
      const LatestDeploymentNumber = deployments[0]?.DeploymentNumber ?? 0;
      const version = LatestDeploymentNumber + 1;
      const { VersionNumber = 0 } = await client.send(
        new CreateHostedConfigurationVersionCommand({
          ApplicationId,
          ConfigurationProfileId,
          ContentType: 'application/json',
          Content: new TextEncoder().encode(JSON.stringify(toFlagsDocument(flags, version))),
          Description: why.slice(0, MAX_DESCRIPTION),
        }),
      );
      const target = { ApplicationId, ConfigurationProfileId, VersionNumber };
      try {
        await client.send(
          new StartDeploymentCommand({
            ApplicationId,
            EnvironmentId,
            ConfigurationProfileId,
            DeploymentStrategyId: options.strategyId,
            ConfigurationVersion: String(VersionNumber),
            Description: why.slice(0, MAX_DESCRIPTION),
            // The lock: refused when another deployment began meanwhile, which also makes `version` its number.
            LatestDeploymentNumber,
          }),
        );
      } catch (error) {
        // A version that nobody deployed does no harm; what is refused is tidied where possible.
        await client.send(new DeleteHostedConfigurationVersionCommand(target)).catch(() => undefined);
        throw error instanceof ConflictException
          ? new FlagsConflict(`AppConfig refused: ${error.message} Read the flags again`)
          : error;
      }
      options.onPublished?.();
      return { version, flags };
    },
  };
}

function describeInFlight({ DeploymentNumber, State, PercentageComplete }: Deployment): string {
  return `deployment ${DeploymentNumber} of the flags is in flight (${State}, ${PercentageComplete ?? 0} %); wait for its end, or stop it first`;
}

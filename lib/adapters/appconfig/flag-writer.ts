/** Publishes flags as a new hosted configuration version and deploys it; two writers never overwrite each other unseen. */
import {
  type AppConfigClient,
  ConflictException,
  CreateHostedConfigurationVersionCommand,
  DeleteHostedConfigurationVersionCommand,
  GetDeploymentCommand,
  GetHostedConfigurationVersionCommand,
  ListDeploymentsCommand,
  ListHostedConfigurationVersionsCommand,
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
/** Limit of AppConfig for a deployment's description. */
const MAX_DESCRIPTION = 1024;

export function createFlagWriter(options: FlagWriterOptions): FlagWriter {
  const {
    client,
    applicationId: ApplicationId,
    environmentId: EnvironmentId,
    profileId: ConfigurationProfileId,
  } = options;
  /** Newest first. What a first page leaves out is asked for one by one, because not every endpoint lists the newest first. */
  const readDeployments = async (): Promise<readonly Deployment[]> => {
    const { Items = [] } = await client.send(
      new ListDeploymentsCommand({ ApplicationId, EnvironmentId, MaxResults: 50 }),
    );
    const found: Deployment[] = Items.toSorted((a, b) => (b.DeploymentNumber ?? 0) - (a.DeploymentNumber ?? 0));
    for (;;) {
      const DeploymentNumber = (found[0]?.DeploymentNumber ?? 0) + 1;
      try {
        found.unshift(await client.send(new GetDeploymentCommand({ ApplicationId, EnvironmentId, DeploymentNumber })));
      } catch (error) {
        if (error instanceof ResourceNotFoundException) return found;
        throw error;
      }
    }
  };
  const readDeployedRevision = async (): Promise<number> => {
    const newestFirst = await readDeployments();
    const inFlight = newestFirst.find(({ State }) => IN_FLIGHT.has(State ?? ''));
    if (inFlight !== undefined) throw new FlagsConflict(describeInFlight(inFlight));
    const deployed = newestFirst.find(({ State }) => State === 'COMPLETE');
    if (deployed === undefined) {
      throw new FlagsConflict('no version of the flags is deployed; deploy the control stack again');
    }
    const { Content } = await client.send(
      new GetHostedConfigurationVersionCommand({
        ApplicationId,
        ConfigurationProfileId,
        VersionNumber: Number(deployed.ConfigurationVersion),
      }),
    );
    const document = JSON.parse(new TextDecoder().decode(Content)) as Partial<FlagsDocument>;
    return fromFlagValues(document.values).revision;
  };
  const readLatestNumber = async (): Promise<number> => {
    let latest = 0;
    let NextToken: string | undefined;
    do {
      const page = await client.send(
        new ListHostedConfigurationVersionsCommand({
          ApplicationId,
          ConfigurationProfileId,
          MaxResults: 50,
          ...(NextToken === undefined ? {} : { NextToken }),
        }),
      );
      for (const { VersionNumber = 0 } of page.Items ?? []) latest = Math.max(latest, VersionNumber);
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return latest;
  };
  const discard = async (VersionNumber: number): Promise<void> => {
    // A version that nobody deployed does no harm.
    await client
      .send(new DeleteHostedConfigurationVersionCommand({ ApplicationId, ConfigurationProfileId, VersionNumber }))
      .catch(() => undefined);
  };
  return {
    publish: async (flags, expectedVersion, why) => {
      const deployed = await readDeployedRevision();
      if (deployed !== expectedVersion) {
        throw new FlagsConflict(
          `the flags are at version ${deployed}, the change was made from version ${expectedVersion}; read them again`,
        );
      }
      const latest = await readLatestNumber();
      const version = latest + 1;
      const created = await orConflict(() =>
        client.send(
          new CreateHostedConfigurationVersionCommand({
            ApplicationId,
            ConfigurationProfileId,
            ContentType: 'application/json',
            Content: new TextEncoder().encode(JSON.stringify(toFlagsDocument(flags, version))),
            Description: why.slice(0, MAX_DESCRIPTION),
            // The lock: refused when somebody else created a version meanwhile.
            LatestVersionNumber: latest,
          }),
        ),
      );
      if (created.VersionNumber !== version) {
        if (created.VersionNumber !== undefined) await discard(created.VersionNumber);
        throw new FlagsConflict(`version ${version} of the flags was published by somebody else; read them again`);
      }
      try {
        await orConflict(() =>
          client.send(
            new StartDeploymentCommand({
              ApplicationId,
              EnvironmentId,
              ConfigurationProfileId,
              DeploymentStrategyId: options.strategyId,
              ConfigurationVersion: String(version),
              Description: why.slice(0, MAX_DESCRIPTION),
            }),
          ),
        );
      } catch (error) {
        await discard(version);
        throw error;
      }
      options.onPublished?.();
      return { version, flags };
    },
  };
}

async function orConflict<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof ConflictException)
      throw new FlagsConflict(`AppConfig refused: ${error.message}; read the flags again`);
    throw error;
  }
}

function describeInFlight({ DeploymentNumber, State, PercentageComplete }: Deployment): string {
  return `deployment ${DeploymentNumber} of the flags is in flight (${State}, ${PercentageComplete ?? 0} %); wait for its end, or stop it first`;
}

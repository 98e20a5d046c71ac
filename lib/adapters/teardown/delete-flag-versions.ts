/** Deletes every version of a flag profile: AppConfig refuses to delete a profile that has any, and CloudFormation knows only the first. */
import {
  type AppConfigClient,
  DeleteHostedConfigurationVersionCommand,
  paginateListHostedConfigurationVersions,
  ResourceNotFoundException,
} from '@aws-sdk/client-appconfig';

/** @returns how many versions were deleted. */
export async function deleteFlagVersions(
  client: AppConfigClient,
  application: string,
  profile: string,
): Promise<number> {
  const of = { ApplicationId: application, ConfigurationProfileId: profile };
  const numbers: number[] = [];
  for await (const page of paginateListHostedConfigurationVersions({ client }, of)) {
    numbers.push(
      ...(page.Items ?? []).flatMap(({ VersionNumber }) => (VersionNumber === undefined ? [] : [VersionNumber])),
    );
  }
  for (const number of numbers) {
    try {
      await client.send(new DeleteHostedConfigurationVersionCommand({ ...of, VersionNumber: number }));
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
  }
  return numbers.length;
}

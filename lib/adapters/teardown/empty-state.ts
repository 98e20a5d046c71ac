/** Empties what a deployment that keeps nothing leaves in the way of its own deletion. */
import { AppConfigClient } from '@aws-sdk/client-appconfig';
import { S3Client } from '@aws-sdk/client-s3';
import { deleteFlagVersions } from './delete-flag-versions.ts';
import { emptyBucket } from './empty-bucket.ts';

const s3 = new S3Client({});
const appConfig = new AppConfigClient({});

/** @returns how much was removed. */
export async function emptyState(state: {
  readonly bucket: string;
  readonly application: string;
  readonly profile: string;
}) {
  const objects = await emptyBucket(s3, state.bucket);
  const versions = await deleteFlagVersions(appConfig, state.application, state.profile);
  return { objects, versions };
}

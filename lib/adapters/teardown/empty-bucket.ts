/** Empties a bucket with all versions of its objects: CloudFormation refuses to delete one that holds anything. */
import { DeleteObjectsCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';

/** @returns how many objects and markers were deleted. @throws when S3 kept one of them. */
export async function emptyBucket(client: S3Client, bucket: string): Promise<number> {
  let deleted = 0;
  for (;;) {
    // Always the first page: what it named is gone when the next one is asked for.
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    const objects = [...Versions, ...DeleteMarkers].flatMap(({ Key, VersionId }) =>
      Key === undefined ? [] : [{ Key, ...(VersionId === undefined ? {} : { VersionId }) }],
    );
    if (objects.length === 0) return deleted;
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }),
    );
    const [first] = Errors;
    if (first !== undefined) {
      throw new Error(`bucket ${bucket}: ${Errors.length} objects stay, ${first.Key}: ${first.Code}`);
    }
    deleted += objects.length;
  }
}

import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { ObjectStore } from '../../ports/objects.ts';

/** Path style, so that a bucket needs no name in DNS: works with every S3-compatible endpoint. */
export function createS3Client(config: S3ClientConfig = {}): S3Client {
  return new S3Client({ ...config, forcePathStyle: true });
}

export function createS3Objects(client: S3Client, bucket: string): ObjectStore {
  return {
    bucket,
    put: async (key, body, contentType = 'application/json') => {
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(body), ContentType: contentType }),
      );
    },
    get: async (key) => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return await Body?.transformToString();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
  };
}

import {
  AppConfigClient,
  DeleteHostedConfigurationVersionCommand,
  ListHostedConfigurationVersionsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-appconfig';
import { DeleteObjectsCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it, vi } from 'vitest';
import { deleteFlagVersions } from '../../lib/adapters/teardown/delete-flag-versions.ts';
import { emptyBucket } from '../../lib/adapters/teardown/empty-bucket.ts';

describe('emptying the state before it is deleted', () => {
  it('deletes all versions of all objects and their delete markers', async () => {
    const client = new S3Client({});
    const kept = [
      { Key: 'a', VersionId: '1' },
      { Key: 'a', VersionId: '2' },
      { Key: 'b', VersionId: '3' },
    ];
    vi.spyOn(client, 'send').mockImplementation(async (command: unknown) => {
      if (command instanceof ListObjectVersionsCommand)
        return { Versions: kept.slice(0, 1), DeleteMarkers: kept.slice(1, 2) };
      if (command instanceof DeleteObjectsCommand) kept.splice(0, command.input.Delete?.Objects?.length ?? 0);
      return {};
    });

    const deleted = await emptyBucket(client, 'bucket');

    expect(deleted).toBe(3);
    expect(kept).toEqual([]);
  });

  it('says which object stays, instead of asking for it for ever', async () => {
    const client = new S3Client({});
    vi.spyOn(client, 'send').mockImplementation(async (command: unknown) =>
      command instanceof ListObjectVersionsCommand
        ? { Versions: [{ Key: 'locked', VersionId: '1' }] }
        : { Errors: [{ Key: 'locked', Code: 'AccessDenied' }] },
    );

    await expect(emptyBucket(client, 'bucket')).rejects.toThrow('bucket bucket: 1 objects stay, locked: AccessDenied');
  });

  it('deletes the versions of the flags that ramps have published, and bears that one is gone', async () => {
    const client = new AppConfigClient({});
    const deleted: (number | undefined)[] = [];
    vi.spyOn(client, 'send').mockImplementation(async (command: unknown) => {
      if (command instanceof ListHostedConfigurationVersionsCommand)
        return { Items: [{ VersionNumber: 2 }, { VersionNumber: 1 }] };
      if (!(command instanceof DeleteHostedConfigurationVersionCommand)) throw new Error('an unexpected command');
      if (command.input.VersionNumber === 1) throw new ResourceNotFoundException({ message: 'gone', $metadata: {} });
      deleted.push(command.input.VersionNumber);
      return {};
    });

    await expect(deleteFlagVersions(client, 'application', 'profile')).resolves.toBe(2);
    expect(deleted).toEqual([2]);
  });
});

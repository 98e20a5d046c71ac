/** What Crossfade may rely on from its flags (lib/ports/flags.ts). */
import { beforeAll, describe, expect, test } from 'vitest';
import { INITIAL_FLAGS } from '../../lib/contracts/flags-document.ts';
import { type Flags, NO_EXPOSURE } from '../../lib/domain/flags.ts';
import { type FlagReader, FlagsConflict, type FlagWriter } from '../../lib/ports/flags.ts';

export interface OpenedFlags {
  /** Freshly deployed: version 1, nobody is exposed. */
  readonly flags: FlagReader & FlagWriter;
  /** Another process. */
  readonly other: FlagReader & FlagWriter;
}

const ACME: Flags = {
  dual_write: {
    enabled: true,
    tenants: ['acme', 'größe'],
    except: ['b'],
    regions: ['eu'],
    services: ['api'],
    percent: 12.5,
    salt: 's1',
  },
  target_reads: { ...NO_EXPOSURE, enabled: false, percent: 30, salt: 'kept', tenants: ['acme'] },
};

export function describeFlags(name: string, open: () => Promise<OpenedFlags>): void {
  describe(`Flags ${name}`, () => {
    let flags: FlagReader & FlagWriter;
    let other: FlagReader & FlagWriter;

    beforeAll(async () => {
      ({ flags, other } = await open());
    });

    test('the first version exposes nobody', async () => {
      expect(await flags.read()).toEqual({ version: 1, flags: INITIAL_FLAGS });
    });

    test('a published version is the next one, and is read back whole, disabled flags included', async () => {
      const published = await flags.publish(ACME, 1, 'first tenant');

      expect(published).toEqual({ version: 2, flags: ACME });
      expect(await flags.read()).toEqual({ version: 2, flags: ACME });
    });

    test('another process reads the deployed version', async () => {
      expect(await other.read()).toEqual({ version: 2, flags: ACME });
    });

    test('a change made from an old version is a conflict and changes nothing', async () => {
      await expect(other.publish(INITIAL_FLAGS, 1, 'late')).rejects.toThrow(FlagsConflict);
      expect((await flags.read())?.version).toBe(2);
    });

    test('of two who publish from one version, one wins', async () => {
      const results = await Promise.allSettled([flags.publish(INITIAL_FLAGS, 2, 'a'), other.publish(ACME, 2, 'b')]);

      const lost = results.filter(({ status }) => status === 'rejected');
      expect(lost).toHaveLength(1);
      expect(lost[0]).toMatchObject({ reason: expect.any(FlagsConflict) });
    });
  });
}

/** The way back from any machine, by the machine whose work is undone (design §5). Each way ends by verifying what it promises. */
import { loadMigration } from '../../migration.ts';
import { CLOCKS_APART_MS } from '../../reconcile/scope-of.ts';
import { latestJournal } from '../../switch/authority.ts';
import { proveEqual } from '../../switch/prove-equal.ts';
import { needsApproval } from '../approval.ts';
import { verifySingleWrite } from '../baseline/verify-single-write.ts';
import { returnReads, verifyReads } from '../cutover/return-reads.ts';
import { reopen, verifyReverse } from '../decommission/reopen.ts';
import { judged, type MachineDefinition, proceed } from '../step.ts';
import { closeTenants, drainTenants, eraseTenants, verifyErased } from './dual-write.ts';
import { overwriteTarget, pauseRouting, verifyOverwritten } from './reconcile.ts';
import { dropSchema, listSchema, surveySchema, verifySchema } from './schema.ts';
import {
  drainReverse,
  fenceTarget,
  returnAuthority,
  setLegacySequences,
  unfenceLegacyAgain,
  unfenceTargetAgain,
  verifyAuthority,
} from './switchover.ts';

export const rollbackMachine: MachineDefinition = {
  machine: 'rollback',
  // A way back is never refused for want of progress; each way's first step says when it does not apply.
  entry: async () => [],
  steps: {
    'needs-approval': async (deps, run) => needsApproval(deps, run),
    'verify-single-write': verifySingleWrite,
    'close-tenants': closeTenants,
    'drain-tenants': drainTenants,
    'erase-tenants': eraseTenants,
    'verify-erased': verifyErased,
    'pause-routing': pauseRouting,
    'overwrite-target': overwriteTarget,
    'verify-overwritten': verifyOverwritten,
    'return-reads': returnReads,
    'verify-reads': verifyReads,
    'fence-target': fenceTarget,
    'drain-reverse': drainReverse,
    'prove-equal': async (deps, run) => {
      if (run.dryRun) return proceed({ notes: ['would compare the rows touched since the switchover, and count all'] });
      const journal = await latestJournal(deps);
      const began = Date.parse(journal?.at ?? run.startedAt) - CLOCKS_APART_MS;
      // The target was behind its fence when reverse came into force: no event of reverse is older, and none was on its way.
      const reach = { since: new Date(began).toISOString(), snapshot: null };
      return judged(await proveEqual(await loadMigration(deps), 'reverse', { reach, keys: [] }));
    },
    'set-sequences': setLegacySequences,
    'return-authority': returnAuthority,
    'unfence-legacy': unfenceLegacyAgain,
    'unfence-target': unfenceTargetAgain,
    'verify-authority': verifyAuthority,
    reopen,
    'verify-reverse': verifyReverse,
    'survey-schema': surveySchema,
    'list-schema': listSchema,
    'drop-schema': dropSchema,
    'verify-schema': verifySchema,
  },
  next: 'npx crossfade status',
};

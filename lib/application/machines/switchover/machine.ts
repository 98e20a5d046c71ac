/** Phase 4, writes: authority moves from legacy to the target, behind a fence, once both are proved equal (design §5; protocol §9). */
import { driftGate } from '../../gates/drift-gate.ts';
import { passedGate } from '../../gates/passed.ts';
import { incidentGate } from '../../incidents/incident-gate.ts';
import { directionInForce } from '../../switch/authority.ts';
import { drainDirection } from '../../switch/drain.ts';
import { needsApproval } from '../approval.ts';
import { type MachineDefinition, proceed } from '../step.ts';
import { exactPass, proveStoresEqual } from './exact-pass.ts';
import { fenceLegacy, unfenceLegacy } from './fence-legacy.ts';
import { moveAuthority, setSequences, unfenceTarget } from './move-authority.ts';
import { rehearse } from './rehearse.ts';

export const switchoverMachine: MachineDefinition = {
  machine: 'switchover',
  // Drift is judged again at every later gate (design §4), unless authority has moved and what is left is to complete it.
  entry: async (deps, run) => {
    const cutover = await passedGate(deps, run, 'cutover');
    return (await directionInForce(deps)) === 'reverse'
      ? [cutover]
      : [cutover, await driftGate(deps, run), await incidentGate(deps)];
  },
  steps: {
    rehearse,
    'exact-pass': exactPass,
    'needs-approval': async (deps, run) => needsApproval(deps, run),
    'fence-legacy': fenceLegacy,
    drain: async (deps, run, data) => {
      if ((await directionInForce(deps)) === 'reverse') return proceed({ notes: ['authority has moved already'] });
      return drainDirection(deps, run, 'forward', data);
    },
    'prove-equal': proveStoresEqual,
    'set-sequences': setSequences,
    'move-authority': moveAuthority,
    'unfence-target': unfenceTarget,
    'unfence-legacy': unfenceLegacy,
  },
  next: 'npx crossfade start decommission',
};

/** Small builders of what the control table remembers. */
import type {
  ApprovalDocument,
  CycleDocument,
  DriftDocument,
  MachineDocument,
  RunDocument,
  TenantDocument,
} from '../../../lib/contracts/documents.ts';
import type { MachineOutput } from '../../../lib/contracts/machine-io.ts';
import { ALICE } from './world.ts';

export const NOON = '2026-01-05T12:00:00.000Z';

export function aRun(given: Partial<RunDocument> & Pick<RunDocument, 'execution' | 'machine'>): RunDocument {
  return {
    scope: ['acme'],
    dryRun: false,
    from: null,
    requestedBy: ALICE,
    startedAt: NOON,
    step: 'begin',
    steps: [],
    gates: [],
    reasons: [],
    ...given,
  };
}

export function anOutput(given: Partial<MachineOutput> & Pick<MachineOutput, 'machine' | 'outcome'>): MachineOutput {
  return { dryRun: false, gates: [], notes: [], reasons: [], next: '', ...given };
}

export function aTenant(given: Partial<TenantDocument> & Pick<TenantDocument, 'tenant'>): TenantDocument {
  return {
    stage: 'dualwrite',
    generation: 1,
    on: true,
    copied: true,
    readPercent: 0,
    since: NOON,
    why: 'flag dual_write',
    flagsVersion: 1,
    ...given,
  };
}

export function aMachine(given: Partial<MachineDocument> = {}): MachineDocument {
  return { passed: {}, ...given };
}

export function aCycle(given: Partial<CycleDocument> = {}): CycleDocument {
  return {
    execution: 'arn:aws:states:eu-central-1:1:execution:crossfade-shop-reconcile:cycle',
    startedAt: NOON,
    endedAt: '2026-01-05T12:00:30.000Z',
    mode: 'checksum',
    scopeKind: 'full',
    tenants: ['acme'],
    tables: [],
    rows: 200_000,
    drift: 0,
    driftPercent: 0,
    upperBoundPercent: 0.0015,
    complete: true,
    failed: false,
    ...given,
  };
}

export function aDifference(given: Partial<DriftDocument> = {}): DriftDocument {
  return {
    table: 'orders',
    rowKey: '{"id":7}',
    tenant: 'acme',
    kind: 'different',
    columns: ['amount'],
    foundAt: NOON,
    cycle: NOON,
    ...given,
  };
}

export function anApproval(given: Partial<ApprovalDocument> = {}): ApprovalDocument {
  return {
    id: '7f3a90c1',
    machine: 'switchover',
    execution: 'arn:aws:states:eu-central-1:1:execution:crossfade-shop-switchover:run-9',
    requestedBy: ALICE,
    requestedAt: NOON,
    expiresAt: '2026-01-06T12:00:00.000Z',
    question: 'Go on with switchover for acme?',
    evidenceHash: 'a1b2',
    taskToken: 'secret-token',
    ...given,
  };
}

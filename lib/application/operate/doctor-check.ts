/** One check of `doctor`: what it looks at and how it answers. */
import type { Identity } from '../../ports/identity.ts';
import type { DeployedSystem, Systems } from '../../ports/system.ts';
import type { Operator } from './operator.ts';

export const CHECK_RESULTS = ['ok', 'warning', 'failed', 'skipped'] as const;
export type CheckResult = (typeof CHECK_RESULTS)[number];

export interface CheckAnswer {
  readonly result: CheckResult;
  /** What was seen, with values. */
  readonly says: string;
  /** Without the program's name; absent where nothing has to be done. */
  readonly next?: string | undefined;
}

export interface Check<Subject> {
  readonly name: string;
  readonly run: (subject: Subject) => Promise<CheckAnswer>;
}

export interface DoctorSubject {
  readonly plan: string;
  readonly identity: Identity;
  readonly systems: Systems;
  /** undefined: nothing of that plan is deployed. */
  readonly system: DeployedSystem | undefined;
  /** Hash of the plan file at hand, to compare with the deployed one. */
  readonly fileHash?: string | undefined;
  /** Opened only when the deployment is whole. */
  readonly open: () => Promise<Operator>;
  readonly command: (text: string) => string;
}

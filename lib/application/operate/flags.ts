/** The wish: who should be exposed. Shown beside what is in effect, and changed at run time with a version check. */
import {
  evaluateFlag,
  FLAG_NAMES,
  type Flag,
  type FlagName,
  type FlagSubject,
  type Flags,
} from '../../domain/flags.ts';
import type { Stage } from '../../domain/stage.ts';
import { FlagsConflict, type FlagsVersion } from '../../ports/flags.ts';
import { readOperatingNumbers } from './deployed-plan.ts';
import { type Operator, OperatorError } from './operator.ts';

export interface TenantWish {
  readonly tenant: string;
  readonly dualWrite: boolean;
  readonly targetReads: boolean;
  /** In effect, as the controller last wrote it; null: not carried out yet. */
  readonly stage: Stage | null;
}

export interface FlagsPayload {
  readonly version: number;
  readonly flags: Flags;
  readonly tenants: readonly TenantWish[];
  readonly next: string;
}

export async function showFlags(operator: Operator): Promise<FlagsPayload> {
  const { version, flags } = await readFlags(operator);
  return { version, flags, tenants: await compareWish(operator, flags), next: operator.command('status') };
}

export interface FlagChange {
  readonly enabled?: boolean | undefined;
  readonly percent?: number | undefined;
  readonly tenants?: readonly string[] | undefined;
  readonly except?: readonly string[] | undefined;
  readonly regions?: readonly string[] | undefined;
  readonly services?: readonly string[] | undefined;
}

export interface FlagSetPayload {
  readonly flag: FlagName;
  readonly before: Flag;
  readonly after: Flag;
  readonly versionBefore: number;
  /** Same as before in a dry run or when nothing changes. */
  readonly version: number;
  readonly changed: boolean;
  readonly dryRun: boolean;
  /** Tenants whose wish this change turns on or off. */
  readonly turnedOn: readonly string[];
  readonly turnedOff: readonly string[];
  readonly next: string;
}

export interface SetFlagRequest {
  readonly flag: FlagName;
  readonly change: FlagChange;
  readonly why: string;
  readonly dryRun: boolean;
  /** Refused when another version is deployed. */
  readonly expectedVersion?: number | undefined;
}

export async function setFlag(
  operator: Operator,
  { flag, change, why, dryRun, expectedVersion }: SetFlagRequest,
): Promise<FlagSetPayload> {
  const read = await readFlags(operator);
  if (expectedVersion !== undefined && read.version !== expectedVersion) {
    throw new OperatorError(
      'refused',
      `flags are at version ${read.version}, not ${expectedVersion}; nothing was changed`,
      { next: operator.command('flags show') },
    );
  }
  const before = read.flags[flag];
  const after: Flag = { ...before, ...defined(change) };
  const changed = JSON.stringify(before) !== JSON.stringify(after);
  const subjects = await listSubjects(operator);
  const published =
    changed && !dryRun ? await publish(operator, { ...read.flags, [flag]: after }, read.version, why) : read;
  return {
    flag,
    before,
    after,
    versionBefore: read.version,
    version: published.version,
    changed,
    dryRun,
    turnedOn: subjects
      .filter((subject) => !evaluateFlag(before, subject) && evaluateFlag(after, subject))
      .map(({ tenant }) => tenant),
    turnedOff: subjects
      .filter((subject) => evaluateFlag(before, subject) && !evaluateFlag(after, subject))
      .map(({ tenant }) => tenant),
    next: operator.command(changed && !dryRun ? 'status --watch' : 'flags show'),
  };
}

/** `dual-write` is `dual_write`. */
export function parseFlagName(text: string): FlagName {
  const name = FLAG_NAMES.find((each) => each === text.replaceAll('-', '_'));
  if (name === undefined)
    throw new OperatorError('usage', `no flag ${text}; there are ${FLAG_NAMES.join(', ')}`, {
      next: 'npx crossfade flags set --help',
    });
  return name;
}

async function readFlags(operator: Operator): Promise<FlagsVersion> {
  const read = await operator.flags.read();
  if (read !== undefined) return read;
  throw new OperatorError(
    'failed',
    'the flags cannot be read from AppConfig; unknown is not off, so what is in effect stays as it is',
    { next: operator.command('doctor') },
  );
}

async function publish(operator: Operator, flags: Flags, version: number, why: string): Promise<FlagsVersion> {
  const by = await operator.identity.whoAmI();
  try {
    return await operator.flags.publish(flags, version, `${why} (by ${by})`);
  } catch (error) {
    if (!(error instanceof FlagsConflict)) throw error;
    throw new OperatorError('refused', `${error.message}; nothing was changed`, {
      next: operator.command('flags show'),
      cause: error,
    });
  }
}

async function compareWish(operator: Operator, flags: Flags): Promise<readonly TenantWish[]> {
  return (await listSubjects(operator)).map(({ stage, ...subject }) => ({
    tenant: subject.tenant,
    dualWrite: evaluateFlag(flags.dual_write, subject),
    targetReads: evaluateFlag(flags.target_reads, subject),
    stage,
  }));
}

/** Tenants of the plan and of the control table. */
async function listSubjects(operator: Operator): Promise<readonly (FlagSubject & { readonly stage: Stage | null })[]> {
  const documents = (await operator.documents.list('tenant')).map(({ value }) => value);
  const known = (await readOperatingNumbers(operator.documents)).tenants;
  const tenants = [...new Set([...known.map(({ id }) => id), ...documents.map(({ tenant }) => tenant)])].sort();
  return tenants.map((tenant) => ({
    tenant,
    region: known.find(({ id }) => id === tenant)?.region ?? undefined,
    stage: documents.find((document) => document.tenant === tenant)?.stage ?? null,
  }));
}

function defined(change: FlagChange): Partial<Flag> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** The wish of one flag and the pure function that evaluates it (design §2; reference: deny, allow, then hash). */
import { createHash } from 'node:crypto';

export const FLAG_NAMES = ['dual_write', 'target_reads'] as const;
export type FlagName = (typeof FLAG_NAMES)[number];

export interface Flag {
  readonly enabled: boolean;
  /** Tenants named one by one: always in, whatever the percentage. */
  readonly tenants: readonly string[];
  /** Tenants that are never in. */
  readonly except: readonly string[];
  readonly regions: readonly string[];
  readonly services: readonly string[];
  /** 0…100: share of the tenants (dual_write) or of a tenant's reads (target_reads). */
  readonly percent: number;
  /** Changing it reshuffles who is in; kept while a percentage grows, so that nobody drops out. */
  readonly salt: string;
}

export type Flags = Readonly<Record<FlagName, Flag>>;

export interface FlagSubject {
  readonly tenant: string;
  readonly region?: string | undefined;
  /** The service that asks. */
  readonly service?: string | undefined;
  /** Services that serve the tenant. */
  readonly services?: readonly string[] | undefined;
}

export const NO_EXPOSURE: Flag = {
  enabled: false,
  tenants: [],
  except: [],
  regions: [],
  services: [],
  percent: 0,
  salt: 'crossfade',
};

/** Whether the flag wishes `subject` in. Monotonic in `percent` for a fixed salt. */
export function evaluateFlag(flag: Flag, subject: FlagSubject): boolean {
  if (!flag.enabled || flag.except.includes(subject.tenant)) return false;
  if (flag.tenants.includes(subject.tenant)) return true;
  if (subject.region !== undefined && flag.regions.includes(subject.region)) return true;
  if (subject.service !== undefined && flag.services.includes(subject.service)) return true;
  if (subject.services?.some((service) => flag.services.includes(service)) === true) return true;
  return bucketOf(flag.salt, subject.tenant) < flag.percent * 100;
}

/** 0…9999, the same for a tenant under one salt for ever. */
export function bucketOf(salt: string, subject: string): number {
  return createHash('sha256').update(`${salt}:${subject}`).digest().readUInt32BE(0) % 10_000;
}

/**
 * Flags as content of an AppConfig profile of type AWS.AppConfig.FeatureFlags, and back. Written by the CDK app once (the first
 * version) and by the controller afterwards; readers get the `values` only, and of a disabled flag perhaps nothing but `enabled`.
 */
import { FLAG_NAMES, type Flag, type FlagName, type Flags, NO_EXPOSURE } from '../domain/flags.ts';

/** What AppConfig stores. */
export interface FlagsDocument {
  readonly version: '1';
  readonly flags: Readonly<Record<string, unknown>>;
  readonly values: FlagValues;
}

/** What AppConfig serves. */
export type FlagValues = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** An always enabled flag of our own: AppConfig does not tell a reader the number of the deployment that it serves. */
const RECORD = 'crossfade';

const NAMES: Readonly<Record<FlagName, string>> = {
  dual_write: 'Writes are relayed to the target',
  target_reads: 'Reads are answered by the target',
};

const STRINGS = { constraints: { type: 'array', elements: { type: 'string' } } };
const FLAG_ATTRIBUTES = {
  tenants: STRINGS,
  except: STRINGS,
  regions: STRINGS,
  services: STRINGS,
  percent: { constraints: { type: 'number', minimum: 0, maximum: 100 } },
  salt: { constraints: { type: 'string' } },
};
const RECORD_ATTRIBUTES = {
  revision: { constraints: { type: 'number', minimum: 1 } },
  kept: { constraints: { type: 'string' } },
};

/** Nobody is exposed. */
// Object.fromEntries forgets the names that it was given.
export const INITIAL_FLAGS = Object.fromEntries(FLAG_NAMES.map((name) => [name, NO_EXPOSURE])) as Flags;

/** @param revision number of the AppConfig deployment that puts it in force; the CDK app's is the first. */
export function toFlagsDocument(flags: Flags, revision = 1): FlagsDocument {
  const definitions = FLAG_NAMES.map((name) => [name, { name: NAMES[name], attributes: FLAG_ATTRIBUTES }] as const);
  const values = FLAG_NAMES.map((name) => [name, { ...flags[name] }] as const);
  // Kept apart, so that switching a flag off and on again keeps its salt and its tenants.
  const kept = Object.fromEntries(FLAG_NAMES.filter((name) => !flags[name].enabled).map((name) => [name, flags[name]]));
  return {
    version: '1',
    flags: {
      ...Object.fromEntries(definitions),
      [RECORD]: { name: 'Record of Crossfade; leave it enabled', attributes: RECORD_ATTRIBUTES },
    },
    values: { ...Object.fromEntries(values), [RECORD]: { enabled: true, revision, kept: JSON.stringify(kept) } },
  };
}

/** @throws {TypeError} when a flag is missing or malformed: unreadable is unknown, and unknown is not off. */
export function fromFlagValues(values: unknown): { readonly flags: Flags; readonly revision: number } {
  const record = member(values, RECORD);
  const revision = record.revision;
  if (typeof revision !== 'number')
    throw new TypeError(`the flags carry no revision: flag ${RECORD} is missing, disabled or edited by hand`);
  const kept: unknown = typeof record.kept === 'string' ? JSON.parse(record.kept) : {};
  const flags = FLAG_NAMES.map((name) => {
    const served = member(values, name);
    const fallback = isRecord(kept) && isRecord(kept[name]) ? kept[name] : {};
    return [name, toFlag(name, served.enabled === true ? served : { ...fallback, ...served })] as const;
  });
  // Object.fromEntries forgets the names that it was given.
  return { flags: Object.fromEntries(flags) as Flags, revision };
}

function toFlag(name: FlagName, value: Readonly<Record<string, unknown>>): Flag {
  const { enabled, percent = NO_EXPOSURE.percent, salt = NO_EXPOSURE.salt } = value;
  if (typeof enabled !== 'boolean') throw new TypeError(`flag ${name}: enabled is not true or false`);
  if (typeof percent !== 'number' || percent < 0 || percent > 100)
    throw new TypeError(`flag ${name}: percent is not a number from 0 to 100`);
  if (typeof salt !== 'string') throw new TypeError(`flag ${name}: salt is not text`);
  const strings = (key: 'tenants' | 'except' | 'regions' | 'services') => {
    const list = value[key] ?? [];
    if (!Array.isArray(list) || !list.every((item) => typeof item === 'string'))
      throw new TypeError(`flag ${name}: ${key} is not a list of texts`);
    return list;
  };
  return {
    enabled,
    tenants: strings('tenants'),
    except: strings('except'),
    regions: strings('regions'),
    services: strings('services'),
    percent,
    salt,
  };
}

function member(values: unknown, name: string): Readonly<Record<string, unknown>> {
  const value = isRecord(values) ? values[name] : undefined;
  if (!isRecord(value)) throw new TypeError(`flag ${name} is missing from the configuration`);
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

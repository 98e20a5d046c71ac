/** Faults that a rehearsal asks for: calls made slow or refused, by cluster and by SQL. None is set by default. */
import { DataApiError, type DataApiErrorName, HTTP_STATUS_OF } from './errors.ts';

export interface Fault {
  /** ARN of a cluster; undefined: every cluster. */
  readonly cluster?: string | undefined;
  /** Regular expression on the SQL, case-insensitive; undefined: every call. */
  readonly matching?: string | undefined;
  /** Regular expression on the secret's ARN or name: the calls of one role. */
  readonly secret?: string | undefined;
  /** Added before the call is carried out. */
  readonly latencyMs?: number | undefined;
  /** The call is refused with this error instead of being carried out. */
  readonly error?: DataApiErrorName | undefined;
}

export interface Faults {
  /** Replaces all faults. @throws {DataApiError} ValidationException when one is malformed. */
  set(faults: unknown): readonly Fault[];
  list(): readonly Fault[];
  /** Waits or throws as the faults that match say. */
  meet(call: { readonly cluster: string; readonly secret: string; readonly sql: string }): Promise<void>;
}

const MEMBERS: Readonly<Record<keyof Fault, string>> = {
  cluster: 'string',
  matching: 'string',
  secret: 'string',
  latencyMs: 'number',
  error: 'string',
};

export function createFaults(): Faults {
  let faults: readonly Fault[] = [];
  return {
    set: (input) => {
      faults = (Array.isArray(input) ? input : [input]).map(parseFault);
      return faults;
    },
    list: () => faults,
    meet: async ({ cluster, secret, sql }) => {
      for (const fault of faults) {
        if (fault.cluster !== undefined && fault.cluster !== cluster) continue;
        if (fault.secret !== undefined && !new RegExp(fault.secret, 'i').test(secret)) continue;
        if (fault.matching !== undefined && !new RegExp(fault.matching, 'i').test(sql)) continue;
        if (fault.latencyMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.latencyMs));
        if (fault.error !== undefined) throw new DataApiError(fault.error, 'a fault set for this rehearsal');
      }
    },
  };
}

function parseFault(input: unknown): Fault {
  if (input === null || typeof input !== 'object')
    throw new DataApiError('ValidationException', 'a fault is an object');
  for (const [name, value] of Object.entries(input)) {
    const expected = (MEMBERS as Readonly<Record<string, string>>)[name];
    if (expected !== typeof value) {
      throw new DataApiError(
        'ValidationException',
        `fault member ${name}: ${expected === undefined ? `unknown; known are ${Object.keys(MEMBERS).join(', ')}` : `a ${expected} is expected`}`,
      );
    }
  }
  const fault = input as Fault;
  if (fault.error !== undefined && !(fault.error in HTTP_STATUS_OF))
    throw new DataApiError('ValidationException', `unknown error ${fault.error}`);
  for (const pattern of [fault.matching, fault.secret]) if (pattern !== undefined) new RegExp(pattern);
  return fault;
}

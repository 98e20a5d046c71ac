/** Result values by the port's rule: small integers and floats are numbers, booleans are booleans, the rest is PostgreSQL's own text. */
import type { CustomTypesConfig } from 'pg';

/** OIDs of pg_type. */
const BOOL = 16;
const NUMBERS: ReadonlySet<number> = new Set([21, 23, 700, 701]);

export const RAW_TYPES: CustomTypesConfig = {
  getTypeParser: ((oid: number) => {
    if (oid === BOOL) return (text: string) => text === 't';
    return NUMBERS.has(oid) ? Number : String;
    // The declaration of pg has an overload per format; only text is ever asked for.
  }) as CustomTypesConfig['getTypeParser'],
};

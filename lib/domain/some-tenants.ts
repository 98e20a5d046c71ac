/** Tenants that a line for people names one by one; a scope may hold thousands, and each note of a run is kept. */
const MOST_NAMED = 20;

/** `acme, globex`, or the first twenty `and 4980 more`. */
export function someTenants(tenants: readonly string[]): string {
  const named = tenants.slice(0, MOST_NAMED).join(', ');
  return tenants.length <= MOST_NAMED ? named : `${named} and ${tenants.length - MOST_NAMED} more`;
}

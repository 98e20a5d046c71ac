/** Which tenants a caller may read, by the identity that AWS proved (design §6); a caller that nothing matches may read none. */
export type CallerTenants = '*' | readonly string[];

/** Pattern of a principal's ARN, `*` standing for anything, to its tenants. */
export type Callers = Readonly<Record<string, CallerTenants>>;

/** @returns the union over all patterns that match. */
export function tenantsOfCaller(callers: Callers, arn: string): CallerTenants {
  const names = namesOf(arn);
  const granted = Object.entries(callers).flatMap(([pattern, tenants]) =>
    names.some((name) => matches(pattern, name)) ? [tenants] : [],
  );
  return granted.includes('*') ? '*' : [...new Set(granted.flat())];
}

export function mayRead(callers: Callers, arn: string, tenant: string): boolean {
  const tenants = tenantsOfCaller(callers, arn);
  return tenants === '*' || tenants.includes(tenant);
}

/** A caller that assumed a role is known by its session (`sts … assumed-role/<role>/<session>`) and by the role itself. */
function namesOf(arn: string): readonly string[] {
  const assumed = /^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role\/([^/]+)\/.+$/.exec(arn);
  return assumed === null ? [arn] : [arn, `arn:${assumed[1]}:iam::${assumed[2]}:role/${assumed[3]}`];
}

/** Piece by piece instead of by a regular expression, which could take exponential time on a pattern with many stars. */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let from = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, from);
    if (found < 0 || found + piece.length > text.length - last.length) return false;
    from = found + piece.length;
  }
  return from <= text.length - last.length;
}

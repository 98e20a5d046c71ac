/** A password or a connection URL in a plan is in version control for ever, so it is refused wherever it stands, and not repeated in the message. */
import { type Finding, finding, type PlanPath } from './findings.ts';

const ADVICE =
  'a URL or password must not be in the plan; name a secret (secretArn), or the environment variable that holds the URL (urlEnv)';

const LITERALS: readonly RegExp[] = [
  /^\s*(jdbc:)?postgres(ql)?:\/\//i,
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:[^\s/@]+@/i,
  /\b(host|dbname|user)\s*=.*\bpassword\s*=/i,
  /\bpassword\s*=.*\b(host|dbname|user)\s*=/i,
];

export function findLiteralSecrets(value: unknown, path: PlanPath = []): readonly Finding[] {
  if (typeof value === 'string') return LITERALS.some((literal) => literal.test(value)) ? [finding(path, ADVICE)] : [];
  if (Array.isArray(value)) return value.flatMap((item, index) => findLiteralSecrets(item, [...path, index]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => findLiteralSecrets(item, [...path, key]));
}

/** Rules of the stores: each can be reached, they are not one, and roles have secrets of their own where the environment asks for it. */
import { type Finding, finding, type WellFormed } from './findings.ts';
import { type PgStore, ROLE_GROUPS, ROLE_PURPOSES, type RolePurpose, type StorePlan } from './stores.ts';

const SIDES = ['legacy', 'target'] as const;
type Side = (typeof SIDES)[number];

export function checkStores(plan: WellFormed): Finding[] {
  const { environment, legacy, target, network } = plan;
  const findings = SIDES.flatMap((side) => {
    const store = plan[side];
    if (store === undefined) return [];
    return [
      ...(store.driver === 'pg' ? checkAddress(side, store) : []),
      ...(environment === undefined || environment === 'dev'
        ? checkSecrets(side, store)
        : checkRoles(side, store, environment)),
    ];
  });
  // What is between the stores is judged when both are well formed.
  if (legacy === undefined || target === undefined) return findings;
  if (addressOf(legacy) === addressOf(target)) {
    findings.push(finding(['target'], 'expected another database than legacy; both stores are the same', 'key'));
  }
  if (network?.rdsProxy === true && ![legacy, target].some((store) => store.driver === 'pg' && hasIdentifier(store))) {
    findings.push(
      finding(
        ['network', 'rdsProxy'],
        'expected a pg store with clusterIdentifier or instanceIdentifier for the RDS Proxy to stand before',
      ),
    );
  }
  return findings;
}

function checkAddress(side: Side, store: PgStore): Finding[] {
  const findings: Finding[] = [];
  if (store.urlEnv !== undefined) {
    for (const key of ['host', 'port', 'database'] as const) {
      if (store[key] !== undefined)
        findings.push(finding([side, key], 'expected urlEnv or host, port and database, not both', 'key'));
    }
  } else {
    for (const key of ['host', 'database'] as const) {
      if (store[key] === undefined)
        findings.push(
          finding(
            [side, key],
            `missing key ${key}: expected host and database (or urlEnv, the name of an environment variable, in dev)`,
            'key',
          ),
        );
    }
  }
  if (store.clusterIdentifier !== undefined && store.instanceIdentifier !== undefined) {
    findings.push(
      finding([side, 'instanceIdentifier'], 'expected clusterIdentifier or instanceIdentifier, not both', 'key'),
    );
  }
  return findings;
}

function checkSecrets(side: Side, store: StorePlan): Finding[] {
  if (store.secretArn !== undefined || (store.driver === 'pg' && store.urlEnv !== undefined)) return [];
  const missing = missingRoles(store);
  if (missing.length === 0) return [];
  return [
    finding(
      [side, 'secretArn'],
      `missing key secretArn: expected the secret of the store, or one in roles for each purpose (without one: ${missing.join(', ')})`,
      'key',
    ),
  ];
}

function checkRoles(side: Side, store: StorePlan, environment: string): Finding[] {
  const findings: Finding[] = [];
  if (store.driver === 'pg' && store.urlEnv !== undefined) {
    findings.push(
      finding(
        [side, 'urlEnv'],
        `expected host, port, database and roles in ${environment}: whoever may read a function's configuration reads its environment variables`,
        'key',
      ),
    );
  }
  const missing = missingRoles(store);
  if (missing.length > 0) {
    findings.push(
      finding(
        [side, 'roles'],
        `expected a secret in \`roles\` for each purpose in ${environment}; missing: ${missing.join(', ')}`,
        'key',
      ),
    );
  }
  const holder = new Map<string, RolePurpose>();
  for (const purpose of ROLE_PURPOSES) {
    const arn = store.roles?.[purpose];
    if (arn === undefined) continue;
    const first = holder.get(arn);
    if (first === undefined) holder.set(arn, purpose);
    else if (ROLE_GROUPS[first] !== ROLE_GROUPS[purpose]) {
      findings.push(
        finding(
          [side, 'roles', purpose],
          `expected a secret of its own in ${environment}; this one is also that of ${first} (only relay, apply and backfill may share)`,
        ),
      );
    }
  }
  return findings;
}

function missingRoles(store: StorePlan): readonly RolePurpose[] {
  return ROLE_PURPOSES.filter((purpose) => store.roles?.[purpose] === undefined);
}

function hasIdentifier(store: PgStore): boolean {
  return store.clusterIdentifier !== undefined || store.instanceIdentifier !== undefined;
}

function addressOf(store: StorePlan): string {
  if (store.driver === 'rds-data') return JSON.stringify([store.clusterArn, store.database]);
  return JSON.stringify(store.urlEnv === undefined ? [store.host, store.port ?? 5432, store.database] : [store.urlEnv]);
}

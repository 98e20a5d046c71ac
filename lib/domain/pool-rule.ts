/** Whether a server can take the migration: connections, versions, roles (guide, phase 1 and environment matrix). Pure. */

import type { StoreName } from './direction.ts';
import { type GateDecision, judgeGate } from './gate.ts';

/** CREATE OR REPLACE TRIGGER, which lets capture be renewed in place. */
export const OLDEST_SERVER = 140_000;
/** Above this share of the usable connections a pool is saturated. */
export const SATURATED_PERCENT = 90;

export interface ServerFacts {
  readonly version: number;
  readonly maxConnections: number;
  readonly reserved: number;
  readonly used: number;
  readonly isolation: string;
  readonly encoding: string;
  readonly collation: string;
  readonly standby: boolean;
  readonly encrypted: boolean | null;
  readonly replicas: number;
  readonly replicaLagMs: number | null;
}

export interface PoolDemand {
  /** Connections of the legacy pool today, and what the target must have for each. */
  readonly legacy: number;
  readonly multiplier: number;
  readonly isolation: string;
}

export function judgePools(
  facts: Readonly<Record<StoreName, ServerFacts>>,
  demand: PoolDemand,
  now: Date,
): readonly GateDecision[] {
  const gate = (
    name: string,
    value: number | string | boolean,
    comparison: GateDecision['comparison'],
    threshold: number | string | boolean,
    store: StoreName,
    details: readonly string[],
    unit?: string,
  ) =>
    judgeGate(
      { gate: name, value, comparison, threshold, source: `settings of ${store}`, measuredAt: now, details, unit },
      now,
    );
  const { target } = facts;
  const wanted = Math.ceil(demand.legacy * demand.multiplier);
  const usable = Math.max(1, target.maxConnections - target.reserved);
  return [
    gate('target-max-connections', target.maxConnections, 'at least', wanted, 'target', [
      `raise max_connections of the target to at least ${wanted}: ${demand.legacy} of the legacy pool × ${demand.multiplier}`,
    ]),
    gate(
      'target-connections-used',
      Math.round((target.used / usable) * 1000) / 10,
      'below',
      SATURATED_PERCENT,
      'target',
      [`${target.used} of ${usable} connections of the target are taken`],
      '%',
    ),
    ...(['legacy', 'target'] as const).flatMap((store) => [
      gate(`isolation-${store}`, facts[store].isolation.toUpperCase(), 'equals', demand.isolation, store, [
        `set default_transaction_isolation of ${store} to ${demand.isolation.toLowerCase()}, or the plan's isolation to what applications use`,
      ]),
      gate(`version-${store}`, facts[store].version, 'at least', OLDEST_SERVER, store, [
        `${store} needs PostgreSQL 14 or newer`,
      ]),
      gate(`standby-${store}`, facts[store].standby, 'equals', false, store, [
        `the plan's endpoint of ${store} is a standby; give the writer's`,
      ]),
    ]),
    gate('encoding', target.encoding, 'equals', facts.legacy.encoding, 'target', [
      'text that legacy holds may have no place in the target; create the target database with the same encoding',
    ]),
  ];
}

export interface RoleFacts {
  readonly store: StoreName;
  readonly purpose: string;
  /** Purposes of different groups may not share a login outside dev. */
  readonly group: string;
  readonly role: string;
  readonly superuser: boolean;
  readonly statementTimeoutMs: number;
  readonly isolation: string;
}

export interface RoleDemand {
  readonly applicationRoles: readonly string[];
  readonly dev: boolean;
  readonly targetTimeoutMs: number;
}

/** Everything that is wrong with Crossfade's own logins. */
export function roleProblems(
  roles: readonly RoleFacts[],
  { applicationRoles, dev, targetTimeoutMs }: RoleDemand,
): readonly string[] {
  const problems: string[] = [];
  for (const { store, purpose, role } of roles) {
    if (applicationRoles.includes(role))
      problems.push(
        `${purpose} on ${store} logs in as ${role}, which applications use: their writes would pass the fence and escape capture; give it a role of its own`,
      );
  }
  for (const { store, purpose, isolation, role } of roles) {
    if (isolation !== 'read committed')
      problems.push(
        `${purpose} on ${store} works under ${isolation}; the write protocol needs it under READ COMMITTED: ALTER ROLE ${role} SET default_transaction_isolation = 'read committed'`,
      );
  }
  if (dev) return problems;
  for (const [login, purposes] of Map.groupBy(roles, ({ store, role }) => `${role} on ${store}`)) {
    const groups = [...new Set(purposes.map(({ group }) => group))];
    if (groups.length > 1)
      problems.push(
        `${login} serves ${purposes.map(({ purpose }) => purpose).join(', ')}; outside dev ${groups.join(' / ')} need roles of their own`,
      );
    if (purposes.some(({ superuser }) => superuser))
      problems.push(`${login} is a superuser; outside dev Crossfade works without`);
  }
  for (const { store, role, statementTimeoutMs } of roles.filter(
    ({ purpose, store }) => purpose === 'apply' && store === 'target',
  )) {
    if (statementTimeoutMs === 0 || statementTimeoutMs > targetTimeoutMs)
      problems.push(
        `apply on ${store} may run a statement for ${statementTimeoutMs === 0 ? 'ever' : `${statementTimeoutMs} ms`}; the plan allows ${targetTimeoutMs} ms: ALTER ROLE ${role} SET statement_timeout = '${targetTimeoutMs}ms'`,
      );
  }
  return problems;
}

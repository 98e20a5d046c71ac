import { describe, expect, it } from 'vitest';
import { judgePools, type RoleFacts, roleProblems, type ServerFacts } from '../../lib/domain/pool-rule.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const SERVER: ServerFacts = {
  version: 170_000,
  maxConnections: 100,
  reserved: 3,
  used: 10,
  isolation: 'read committed',
  encoding: 'UTF8',
  collation: 'C',
  standby: false,
  encrypted: true,
  replicas: 0,
  replicaLagMs: null,
};
const DEMAND = { legacy: 50, multiplier: 1.5, isolation: 'READ COMMITTED' };

function failed(target: Partial<ServerFacts>, legacy: Partial<ServerFacts> = {}): readonly string[] {
  const gates = judgePools({ legacy: { ...SERVER, ...legacy }, target: { ...SERVER, ...target } }, DEMAND, NOW);
  return gates.filter(({ pass }) => !pass).map(({ gate }) => gate);
}

describe('pools', () => {
  it('pass at exactly legacy × multiplier and refuse one less', () => {
    expect(failed({ maxConnections: 75 })).toEqual([]);
    expect(failed({ maxConnections: 74 })).toEqual(['target-max-connections']);
  });

  it('refuse a saturated target, a standby, an old server and another encoding', () => {
    expect(failed({ used: 90 })).toEqual(['target-connections-used']);
    expect(failed({ standby: true })).toEqual(['standby-target']);
    expect(failed({}, { version: 130_000 })).toEqual(['version-legacy']);
    expect(failed({ encoding: 'LATIN1' })).toEqual(['encoding']);
  });
});

describe('roles', () => {
  const role = (purpose: string, group: string, name: string, more: Partial<RoleFacts> = {}): RoleFacts => ({
    store: 'target',
    purpose,
    group,
    role: name,
    superuser: false,
    statementTimeoutMs: 500,
    isolation: 'read committed',
    ...more,
  });
  const rule = { applicationRoles: ['shop'], dev: false, targetTimeoutMs: 500 };

  it('may be one in dev, and need their own login for each group elsewhere', () => {
    const shared = [role('install', 'install', 'one'), role('fence', 'fence', 'one')];

    expect(roleProblems(shared, { ...rule, dev: true })).toEqual([]);
    expect(roleProblems(shared, rule)).toHaveLength(1);
    expect(
      roleProblems([role('relay', 'relay and apply', 'two'), role('apply', 'relay and apply', 'two')], rule),
    ).toEqual([]);
  });

  it('are never those of an application, in dev neither', () => {
    expect(roleProblems([role('apply', 'relay and apply', 'shop')], { ...rule, dev: true })).toHaveLength(1);
  });

  it('are bound to the plan’s time limit on the target', () => {
    expect(roleProblems([role('apply', 'relay and apply', 'two', { statementTimeoutMs: 0 })], rule)).toHaveLength(1);
    expect(roleProblems([role('apply', 'relay and apply', 'two', { statementTimeoutMs: 501 })], rule)).toHaveLength(1);
  });
});

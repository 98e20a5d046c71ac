import { describe, expect, it } from 'vitest';
import { routeByDirection, routeRead, type TenantReads } from '../../../lib/domain/read-route.ts';
import { STAGES, type Stage } from '../../../lib/domain/stage.ts';

const acme = (stage: Stage, readPercent = 0): TenantReads => ({ tenant: 'acme', stage, readPercent });

describe('the route of a read', () => {
  it.each([
    ['off', 'legacy', null],
    ['dualwrite', 'legacy', null],
    ['shadow', 'legacy', null],
    ['live', 'target', 'legacy'],
    ['rampdown', 'target', null],
    ['complete', 'target', null],
  ] as const)('of a tenant in stage %s is %s, with fallback %s', (stage, store, fallback) => {
    expect(routeRead('acme', 'orders', [acme(stage, 100)])).toEqual({ stage, store, fallback });
  });

  it('has a row for every stage', () => {
    for (const stage of STAGES) expect(routeRead('acme', 'orders', [acme(stage)]).stage).toBe(stage);
  });

  it('stays with legacy, without a fallback, for reads outside the canary', () => {
    expect(routeRead('acme', 'orders', [acme('live', 0)])).toEqual({ stage: 'live', store: 'legacy', fallback: null });
  });

  it('of an unknown tenant is legacy, and the target once authority has moved', () => {
    const shared = (stage: Stage): TenantReads => ({ tenant: '*', stage, readPercent: 100 });

    expect(routeRead('new', 'orders', [acme('live', 100), shared('live')]).store).toBe('legacy');
    expect(routeRead('new', 'orders', [acme('rampdown', 100), shared('rampdown')]).store).toBe('target');
  });

  it('follows the direction in force while no stage is known', () => {
    expect(routeByDirection('forward').store).toBe('legacy');
    expect(routeByDirection('reverse').store).toBe('target');
  });
});

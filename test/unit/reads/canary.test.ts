import { array, assert, integer, property, record, string, uniqueArray } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CanaryTenant, isCanaryRead } from '../../../lib/domain/canary.ts';

const tenantNames = uniqueArray(
  string({ minLength: 1, maxLength: 12 }).filter((name) => name !== '*'),
  { minLength: 1, maxLength: 12 },
);
const percent = integer({ min: 0, max: 100 });
const at = (names: readonly string[], readPercent: number): readonly CanaryTenant[] =>
  names.map((tenant) => ({ tenant, readPercent }));

describe('the canary', () => {
  it('only adds reads as the weight grows', () => {
    assert(
      property(tenantNames, array(string(), { minLength: 1 }), percent, percent, (names, subjects, one, other) => {
        const [low, high] = [at(names, Math.min(one, other)), at(names, Math.max(one, other))];

        for (const [index, tenant] of low.entries()) {
          for (const subject of subjects) {
            const raised = high[index];
            if (raised === undefined || !isCanaryRead(tenant, subject, low)) continue;
            expect(isCanaryRead(raised, subject, high)).toBe(true);
          }
        }
      }),
    );
  });

  it('gives the same tenant the same answer, whatever it reads, where there are several', () => {
    assert(
      property(tenantNames, percent, record({ one: string(), other: string() }), (names, weight, { one, other }) => {
        const live = at(names, weight);
        if (names.length < 2) return;

        for (const tenant of live) expect(isCanaryRead(tenant, one, live)).toBe(isCanaryRead(tenant, other, live));
      }),
    );
  });

  it('selects at least one of several tenants at any weight, and all at 100 %', () => {
    assert(
      property(tenantNames, integer({ min: 1, max: 99 }), (names, weight) => {
        if (names.length < 2) return;
        const live = at(names, weight);

        expect(live.filter((tenant) => isCanaryRead(tenant, '', live)).length).toBeGreaterThan(0);
        expect(at(names, 100).every((tenant) => isCanaryRead(tenant, '', at(names, 100)))).toBe(true);
      }),
    );
  });

  it('divides the rows of a tenant that is alone, each row always the same way', () => {
    const live = at(['*'], 10);
    const [shared] = live;
    const rows = Array.from({ length: 10_000 }, (_, id) => `orders/[${id}]`);

    const selected = rows.filter((row) => shared !== undefined && isCanaryRead(shared, row, live));

    expect(selected.length).toBeGreaterThan(850);
    expect(selected.length).toBeLessThan(1_150);
  });

  it('never counts the shared rows as the tenant that proves it', () => {
    const live = at(['acme', '*'], 50);
    const rows = Array.from({ length: 1_000 }, (_, id) => `orders/[${id}]`);
    const [acme] = live;

    const selected = rows.filter((row) => acme !== undefined && isCanaryRead(acme, row, live));

    expect(selected.length).toBeGreaterThan(400);
    expect(selected.length).toBeLessThan(600);
  });
});

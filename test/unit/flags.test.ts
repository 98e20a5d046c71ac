/** Who a flag wishes in: one pure function, whoever asks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, evaluateFlag, type Flag, NO_EXPOSURE } from '../../lib/domain/flags.ts';

const flag = (overrides: Partial<Flag>): Flag => ({ ...NO_EXPOSURE, enabled: true, ...overrides });
const name = fc.string({ minLength: 1, maxLength: 12 });
const anyFlag: fc.Arbitrary<Flag> = fc.record({
  enabled: fc.boolean(),
  tenants: fc.array(name, { maxLength: 3 }),
  except: fc.array(name, { maxLength: 3 }),
  regions: fc.array(name, { maxLength: 2 }),
  services: fc.array(name, { maxLength: 2 }),
  percent: fc.integer({ min: 0, max: 100 }),
  salt: name,
});
const anySubject = fc.record({
  tenant: name,
  region: fc.option(name, { nil: undefined }),
  services: fc.option(fc.array(name), { nil: undefined }),
});

describe('a flag', () => {
  it('never loses a tenant when its percentage grows under one salt', () => {
    fc.assert(
      fc.property(anyFlag, anySubject, fc.integer({ min: 0, max: 100 }), (one, subject, percent) => {
        const lower = { ...one, percent: Math.min(one.percent, percent) };
        const higher = { ...one, percent: Math.max(one.percent, percent) };

        return !evaluateFlag(lower, subject) || evaluateFlag(higher, subject);
      }),
    );
  });

  it('answers the same for the same question', () => {
    fc.assert(
      fc.property(
        anyFlag,
        anySubject,
        (one, subject) => evaluateFlag(one, subject) === evaluateFlag(structuredClone(one), { ...subject }),
      ),
    );
  });

  it('wishes for nobody while it is off, and for nobody who is excepted', () => {
    fc.assert(
      fc.property(anyFlag, anySubject, (one, subject) => {
        const off = evaluateFlag({ ...one, enabled: false }, subject);
        const excepted = evaluateFlag({ ...one, except: [...one.except, subject.tenant] }, subject);

        return !off && !excepted;
      }),
    );
  });

  it('wishes for everybody at 100 percent and for nobody at 0', () => {
    fc.assert(
      fc.property(name, name, (tenant, salt) => {
        return (
          evaluateFlag(flag({ percent: 100, salt }), { tenant }) &&
          !evaluateFlag(flag({ percent: 0, salt }), { tenant })
        );
      }),
    );
  });

  it('reaches about its percentage of many tenants', () => {
    const tenants = Array.from({ length: 10_000 }, (_, n) => `tenant-${n}`);

    const reached = tenants.filter((tenant) => evaluateFlag(flag({ percent: 25 }), { tenant })).length;

    expect(reached).toBeGreaterThan(2_300);
    expect(reached).toBeLessThan(2_700);
  });

  it.each([
    ['by name', flag({ tenants: ['acme'] }), { tenant: 'acme' }],
    ['by region', flag({ regions: ['eu'] }), { tenant: 'acme', region: 'eu' }],
    ['by the service that asks', flag({ services: ['billing'] }), { tenant: 'acme', service: 'billing' }],
    [
      'by a service that serves it',
      flag({ services: ['billing'] }),
      { tenant: 'acme', services: ['search', 'billing'] },
    ],
  ])('chooses a tenant %s', (_, one, subject) => {
    expect(evaluateFlag(one, subject)).toBe(true);
    expect(evaluateFlag(one, { tenant: 'globex' })).toBe(false);
  });

  it('deals tenants anew under another salt', () => {
    const buckets = ['a', 'b', 'c'].map((salt) => bucketOf(salt, 'acme'));

    expect(new Set(buckets).size).toBe(3);
  });
});

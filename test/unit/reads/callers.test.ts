import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayRead, tenantsOfCaller } from '../../../lib/domain/callers.ts';

const SESSION = 'arn:aws:sts::111122223333:assumed-role/billing-web/i-0abc';

describe('the tenants of a caller', () => {
  it('are none for a caller that nothing matches', () => {
    assert(
      property(string(), (tenant) => {
        expect(mayRead({ 'arn:aws:iam::1:user/ann': '*' }, SESSION, tenant)).toBe(false);
      }),
    );
    expect(mayRead({}, SESSION, 'acme')).toBe(false);
  });

  it('are found by a pattern of the session, and by the role that was assumed', () => {
    expect(mayRead({ 'arn:aws:sts::111122223333:assumed-role/billing-*/*': '*' }, SESSION, 'acme')).toBe(true);
    expect(mayRead({ 'arn:aws:iam::111122223333:role/billing-web': ['acme'] }, SESSION, 'acme')).toBe(true);
    expect(mayRead({ 'arn:aws:iam::111122223333:role/billing': ['acme'] }, SESSION, 'acme')).toBe(false);
  });

  it('are those of all patterns that match', () => {
    const callers = { 'arn:aws:sts::*': ['acme'], [SESSION]: ['globex'], 'arn:aws:iam::999*': ['initech'] };

    expect(tenantsOfCaller(callers, SESSION)).toEqual(['acme', 'globex']);
    expect(mayRead({ '*': '*' }, SESSION, 'anybody')).toBe(true);
  });

  it('takes a pattern with many stars in no time', () => {
    const pattern = `${'*a'.repeat(200)}b`;

    expect(mayRead({ [pattern]: '*' }, 'a'.repeat(5_000), 'acme')).toBe(false);
  });

  it('reads a pattern without a star as it stands', () => {
    expect(mayRead({ 'arn:aws:iam::1:user/ann': '*' }, 'arn:aws:iam::1:user/anna', 'acme')).toBe(false);
    expect(mayRead({ 'a*a': '*' }, 'a', 'acme')).toBe(false);
  });
});

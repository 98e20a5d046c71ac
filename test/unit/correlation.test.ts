import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanCorrelation, correlationOf } from '../../lib/domain/correlation.ts';
import { commentSafe } from '../../lib/sql/apply/apply-events.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('a correlation id', () => {
  it('holds nothing that a log, a message, a terminal or a comment of SQL could stumble over', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const clean = cleanCorrelation(text);

        expect(clean ?? 'x').toMatch(/^[A-Za-z0-9._:/+=@-]{1,128}$/);
        expect(`/* ${clean} */`.indexOf('*/')).toBe(`/* ${clean} */`.length - 2);
      }),
    );
  });

  it('is cleaned once: clean text stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const clean = cleanCorrelation(text);

        expect(cleanCorrelation(clean)).toBe(clean);
      }),
    );
  });

  it.each([
    ['web-4711', 'web-4711'],
    ['Root=1-67891233-abcdef012345678912345678', 'Root=1-67891233-abcdef012345678912345678'],
    ['a\r\nSet-Cookie: b', 'aSet-Cookie:b'],
    ['*/ DROP TABLE x; --', '/DROPTABLEx--'],
    ['\u001b[31mred', '31mred'],
    ['é ü', null],
    ['', null],
  ])('%j becomes %j', (text, expected) => {
    expect(cleanCorrelation(text)).toBe(expected);
  });
});

describe('the headers of a request', () => {
  it.each([
    [
      'the caller’s own id',
      { 'x-correlation-id': 'web-1', traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` },
      'web-1',
    ],
    ['the id of its trace', { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` }, TRACE_ID],
    ['that of a later version', { traceparent: `01-${TRACE_ID}-00f067aa0ba902b7-01-more` }, TRACE_ID],
    ['nothing of an invalid version', { traceparent: `ff-${TRACE_ID}-00f067aa0ba902b7-01` }, null],
    ['nothing of an empty trace', { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` }, null],
    ['nothing of an empty parent', { traceparent: `00-${TRACE_ID}-${'0'.repeat(16)}-01` }, null],
    ['nothing of other text', { traceparent: 'x', 'x-correlation-id': '  ' }, null],
    ['nothing', undefined, null],
  ])('give %s', (_what, headers, expected) => {
    expect(correlationOf(headers)).toBe(expected);
  });
});

it('no batch id ends the comment that it stands in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(commentSafe(text)).not.toContain('*/');
    }),
  );
});

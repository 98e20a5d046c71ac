import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClocksRule, judgeClocks, type MeasuredCycle } from '../../../lib/domain/drift-clocks.ts';
import { judgeDrift } from '../../../lib/domain/drift-gate.ts';

const HOUR = 3_600_000;
const START = Date.parse('2026-01-01T00:00:00.000Z');
const at = (hour: number) => new Date(START + hour * HOUR);
const RULE: ClocksRule = {
  forMs: 72 * HOUR,
  driftPercent: 0.001,
  minimumRows: 100_000,
  cycleMs: HOUR,
  missedCycle: 'restart',
  tables: { orders: HOUR, currencies: HOUR },
};
const NONE = { missing: 0, extra: 0, different: 0 };

interface Drifts {
  readonly orders?: number;
  readonly currencies?: number;
  readonly byTenant?: MeasuredCycle['byTenant'];
}

function aCycle(hour: number, drifts: Drifts = {}, overrides: Partial<MeasuredCycle> = {}): MeasuredCycle {
  const { orders = 0, currencies = 0 } = drifts;
  return {
    startedAt: at(hour).toISOString(),
    endedAt: new Date(at(hour).getTime() + 60_000).toISOString(),
    scopeKind: 'full',
    tenants: ['*', 'acme', 'globex'],
    tables: [
      { table: 'orders', rows: 10_000_000, drift: { ...NONE, different: orders } },
      { table: 'currencies', rows: 180, drift: { ...NONE, different: currencies } },
    ],
    byTenant: drifts.byTenant ?? { '*': { rows: 180, drift: 0 }, acme: { rows: 9_000_000, drift: 0 } },
    rows: 10_000_180,
    drift: orders + currencies,
    complete: true,
    failed: false,
    ...overrides,
  };
}

const hourly = (from: number, to: number, make: (hour: number) => MeasuredCycle = aCycle) =>
  Array.from({ length: to - from + 1 }, (_, index) => make(from + index));
const judge = (cycles: readonly MeasuredCycle[], hour: number, rule: Partial<ClocksRule> = {}, scope = ['acme']) =>
  judgeClocks(cycles, { ...RULE, ...rule }, scope, at(hour));

describe('the clocks of tables', () => {
  it('pass together after 72 clean hours', () => {
    const clocks = judge(hourly(0, 72), 72);

    expect(clocks).toMatchObject({ pass: true, reasons: [], cleanMs: 72 * HOUR });
    expect(clocks.tables.map(({ subject, pass }) => [subject, pass])).toEqual([
      ['currencies', true],
      ['orders', true],
    ]);
  });

  it('let no large table hide a drifted row of a small one', () => {
    const log = hourly(0, 72, (hour) => aCycle(hour, { currencies: hour === 50 ? 1 : 0 }));

    const clocks = judge(log, 72);

    expect(clocks.overall.pass).toBe(true);
    expect(clocks.pass).toBe(false);
    expect(clocks.cleanMs).toBe(21 * HOUR);
    expect(clocks.reasons).toEqual(['table currencies: the clock has run 21h of 72h, since 2026-01-03T03:00:00.000Z']);
    expect(clocks.tables[0]?.subject).toBe('currencies');
  });

  describe('of a table that has changed', () => {
    const shaped = (currencies: string | undefined) => (hour: number) => {
      const cycle = aCycle(hour);
      return {
        ...cycle,
        tables: cycle.tables.map((table) => ({ ...table, shape: table.table === 'orders' ? 'o' : currencies })),
      };
    };
    const now = { shapes: { orders: 'o', currencies: 'new' }, generations: {} };

    it('begin anew, and say why; the others run on', () => {
      const log = [...hourly(0, 69, shaped('old')), ...hourly(70, 72, shaped('new'))];

      const clocks = judge(log, 72, { subject: now });

      expect(clocks.reasons).toEqual([
        'table currencies: the clock has run 2h of 72h, since 2026-01-03T22:00:00.000Z; the table was compared in another shape until the cycle of 2026-01-03T21:00:00.000Z, which proves nothing of it now',
      ]);
      expect(clocks.overall.pass).toBe(true);
    });

    it('do not run before a cycle has compared it as it is now, as the databases or else the newest cycles have it', () => {
      expect(judge(hourly(0, 72, shaped('old')), 72, { subject: now }).pass).toBe(false);
      expect(judge([...hourly(0, 71, shaped('old')), shaped('new')(72)], 72).pass).toBe(false);
      expect(judge(hourly(0, 72, shaped(undefined)), 72, { subject: now }).pass).toBe(false);
      expect(judge(hourly(0, 72, shaped('old')), 72).pass).toBe(true);
    });

    it('count drift that was found in it before', () => {
      const old = shaped('old')(70);
      const drifted = {
        ...old,
        drift: 1,
        tables: old.tables.map((table) => ({ ...table, drift: { ...NONE, extra: 1 } })),
      };

      const clocks = judge([drifted, ...hourly(70, 72, shaped('new'))], 72, { subject: now });

      expect(clocks.tables.find(({ subject }) => subject === 'currencies')?.cleanMs).toBeLessThanOrEqual(1 * HOUR);
    });
  });

  it('want every table of the plan to have been compared', () => {
    const clocks = judge(hourly(0, 72), 72, { tables: { ...RULE.tables, lines: HOUR } });

    expect(clocks.pass).toBe(false);
    expect(clocks.reasons[0]).toContain('table lines: no cycle on record covers the scope');
  });

  it('run at the interval of each table: cycles of one table keep only its own clock running', () => {
    const often = { tables: { orders: HOUR / 4, currencies: HOUR } };
    const onlyOrders = (hour: number) => {
      const whole = aCycle(hour);
      return { ...whole, tables: whole.tables.slice(0, 1), rows: 10_000_000 };
    };
    const quarters = Array.from({ length: 72 * 4 + 1 }, (_, n) => (n % 4 === 0 ? aCycle(n / 4) : onlyOrders(n / 4)));
    const withoutWhole = Array.from({ length: 72 * 4 + 1 }, (_, n) => (n === 0 ? aCycle(0) : onlyOrders(n / 4)));

    expect(judge(quarters, 72, often).pass).toBe(true);
    const silent = judge(withoutWhole, 72, often);
    expect(silent.overall.pass).toBe(true);
    expect(silent.pass).toBe(false);
    expect(silent.reasons.join()).toContain('table currencies: no cycle has ended well for 71h');
  });

  it('take a table that is compared more seldom than the others for watched, not for missed', () => {
    const seldom = (hour: number) => {
      const whole = aCycle(hour);
      return hour % 6 === 0 ? whole : { ...whole, tables: whole.tables.slice(0, 1), rows: 10_000_000 };
    };

    expect(judge(hourly(0, 72, seldom), 72, { tables: { orders: HOUR, currencies: 6 * HOUR } }).pass).toBe(true);
    expect(judge(hourly(0, 72, seldom), 72).pass).toBe(false);
  });

  it('add the rows of passes over single tables up, instead of taking the largest', () => {
    const single = (hour: number) => {
      const whole = aCycle(hour);
      const tables = whole.tables.slice(hour % 2, (hour % 2) + 1);
      return { ...whole, tables, rows: tables[0]?.rows ?? 0 };
    };

    const clocks = judge(hourly(0, 73, single), 73);

    expect(clocks.overall.rows).toBe(10_000_180);
  });
});

describe('ticks that are not to the minute', () => {
  it('a cycle that comes half a tick early or late, or by hand between two ticks, is no missed one', () => {
    const late = (hour: number) => aCycle(hour + ((hour % 3) - 1) / 2);
    const byHand = [20.3, 20.6, 40.1].map((hour) => aCycle(hour));

    expect(judge(hourly(0, 73, late), 73.5).pass).toBe(true);
    expect(judge([...hourly(0, 72), ...byHand], 72)).toMatchObject({ pass: true, cleanMs: 72 * HOUR });
  });

  it('drift that a cycle by hand finds between two ticks starts the clock again', () => {
    expect(judge([...hourly(0, 72), aCycle(40.5, { orders: 200 })], 72).overall.cleanMs).toBe(31 * HOUR);
  });
});

describe('rows that are neither clean nor drift', () => {
  it('hold the clock of their own table and tenant', () => {
    const log = hourly(0, 72, (hour) => {
      const whole = aCycle(hour);
      if (hour !== 60) return whole;
      const tables = whole.tables.map((each) => (each.table === 'currencies' ? { ...each, setAside: 1 } : each));
      return { ...whole, tables, byTenant: { globex: { rows: 900, drift: 0, unproven: 1 } } };
    });

    const clocks = judge(log, 72, {}, ['acme', 'globex']);

    expect(clocks.overall).toMatchObject({ pass: true, drift: 0 });
    const refusing = [...clocks.tables, ...clocks.tenants].filter(({ pass }) => !pass);
    expect(refusing.map(({ subject, drift }) => [subject, drift])).toEqual([
      ['currencies', 0],
      ['globex', 0],
    ]);
  });
});

describe('the clocks of tenants', () => {
  it('let no large tenant hide a small one, and judge shared rows as one more', () => {
    const small = { '*': { rows: 180, drift: 0 }, globex: { rows: 900, drift: 1 } };
    const shared = { '*': { rows: 180, drift: 1 } };
    const log = (byTenant: NonNullable<MeasuredCycle['byTenant']>) =>
      hourly(0, 72, (hour) => (hour === 60 ? aCycle(hour, { orders: 1, byTenant }) : aCycle(hour)));

    expect(judge(log(small), 72, {}, ['acme']).pass).toBe(true);
    expect(judge(log(small), 72, {}, ['acme', 'globex']).reasons[0]).toMatch(/^tenant globex: the clock has run 11h/);
    expect(judge(log(shared), 72, {}, ['acme']).reasons[0]).toMatch(/^shared rows: the clock has run 11h/);
  });

  it('judge a large tenant by its rate', () => {
    const byTenant = { acme: { rows: 9_000_000, drift: 5 } };
    const log = hourly(0, 72, (hour) => (hour === 60 ? aCycle(hour, { orders: 5, byTenant }) : aCycle(hour)));

    expect(judge(log, 72).pass).toBe(true);
  });

  it('take drift that is not told apart by tenant for drift of each of them', () => {
    const { byTenant: _left, ...untold } = aCycle(60, { orders: 1 });

    expect(judge([...hourly(0, 59), untold, ...hourly(61, 72)], 72).pass).toBe(false);
    expect(
      judge([...hourly(0, 59), aCycle(60, { orders: 1 }, { tenantsUnlisted: 1 }), ...hourly(61, 72)], 72, {}, [
        'globex',
      ]).pass,
    ).toBe(false);
  });

  it('begin anew under another generation, which has been copied anew; the others run on', () => {
    const log = hourly(0, 72, (hour) => aCycle(hour, {}, hour < 70 ? {} : { generations: { globex: 2 } }));
    const subject = (globex: number) => ({ shapes: {}, generations: { '*': 1, acme: 1, globex } });
    const ofGlobex = (clocks: ReturnType<typeof judge>) =>
      clocks.tenants.find((clock) => clock.subject === 'globex')?.cleanMs;

    const clocks = judge(log, 72, { subject: subject(2) }, ['acme', 'globex']);

    expect(ofGlobex(clocks)).toBe(2 * HOUR);
    expect(clocks.tenants.filter(({ pass }) => !pass).map((clock) => clock.subject)).toEqual(['globex']);
    expect(clocks.reasons.join()).toContain('tenant globex: the clock has run 2h of 72h');
    expect(clocks.reasons.join()).toContain('the tenant stood in an earlier copy until the cycle of');
    expect(ofGlobex(judge(log, 72, {}, ['acme', 'globex']))).toBe(2 * HOUR);
    expect(ofGlobex(judge(log, 72, { subject: subject(3) }, ['acme', 'globex']))).toBe(0);
  });

  it('bound what is told of thousands', () => {
    const tenants = Array.from({ length: 2_000 }, (_, n) => `tenant-${n}`);
    const log = hourly(0, 72, (hour) => aCycle(hour, {}, { tenants: hour < 70 ? ['*'] : ['*', ...tenants] }));

    const clocks = judge(log, 72, {}, tenants);

    expect(clocks.tenants).toHaveLength(2_001);
    expect(clocks.reasons.length).toBeLessThan(10);
  });
});

describe('what runs the clock, and what only counts', () => {
  const covering = { rows: 2_000, tables: [] };

  it.each(['sample', 'keys'] as const)('a clean %s cycle does not make it run', (scopeKind) => {
    const log = [aCycle(0), ...hourly(1, 72, (hour) => aCycle(hour, {}, { ...covering, scopeKind }))];

    expect(judgeDrift(log, RULE, ['acme'], at(72)).pass).toBe(false);
  });

  it('full passes that only count rows do not make it run, for everything, a table or a tenant', () => {
    const log = hourly(0, 72, (hour) => aCycle(hour, {}, { mode: 'count' }));

    const clocks = judge(log, 72);

    expect(clocks).toMatchObject({ pass: false, cleanMs: 0 });
    expect([...clocks.tables, ...clocks.tenants].filter(({ pass }) => pass)).toEqual([]);
  });

  it.each(['sample', 'keys'] as const)('a %s cycle that fails does not stop it', (scopeKind) => {
    const log = [...hourly(0, 72), aCycle(40.5, {}, { ...covering, scopeKind, failed: true })];

    expect(judgeDrift(log, RULE, ['acme'], at(72)).pass).toBe(true);
  });

  it('a cycle of other tenants that fails does not stop it', () => {
    const log = [...hourly(0, 72), aCycle(40.5, {}, { tenants: ['globex'], failed: true })];

    expect(judgeDrift(log, RULE, ['acme'], at(72)).pass).toBe(true);
  });

  it('drift in a sample stops it, and rows that somebody named count in the rate without being a rate', () => {
    const named = (drift: number) => aCycle(40.5, {}, { rows: drift, drift, tables: [], scopeKind: 'keys' });
    const sample = aCycle(40.5, {}, { ...covering, drift: 1, scopeKind: 'sample' });

    expect(judgeDrift([...hourly(0, 72), sample], RULE, ['acme'], at(72)).cleanMs).toBe(31 * HOUR);
    expect(judgeDrift([...hourly(0, 72), named(5)], RULE, ['acme'], at(72))).toMatchObject({ pass: true, drift: 5 });
    expect(judgeDrift([...hourly(0, 72), named(200)], RULE, ['acme'], at(72))).toMatchObject({
      pass: false,
      drift: 200,
    });
  });

  it('what began before drift was found out does not count behind it', () => {
    const long = aCycle(10, { orders: 900 }, { endedAt: at(15).toISOString() });
    const log = [...hourly(0, 9), long, ...hourly(11, 80)];

    expect(judgeDrift(log, RULE, ['acme'], at(80)).since).toBe(at(15).toISOString());
  });

  it('a clock that is ahead proves nothing', () => {
    const log = hourly(0, 100);

    expect(judgeDrift(log, RULE, ['acme'], at(10)).cleanMs).toBe(10 * HOUR);
  });

  it('a cycle inside a longer one does not shorten what the longer one watched', () => {
    const long = aCycle(10, {}, { endedAt: at(15).toISOString() });
    const log = [...hourly(0, 9), long, aCycle(10.5), ...hourly(16, 80)];

    expect(judgeDrift(log, RULE, ['acme'], at(80)).cleanMs).toBe(80 * HOUR);
  });
});

interface Drawn extends Pick<MeasuredCycle, 'failed' | 'scopeKind' | 'tenants'> {
  /** Hours. */
  readonly gap: number;
  readonly length: number;
  readonly orders: number;
  readonly currencies: number;
}

describe('properties', () => {
  const drawn: fc.Arbitrary<readonly Drawn[]> = fc.array(
    fc.record({
      gap: fc.double({ min: 0.05, max: 2.3, noNaN: true }),
      length: fc.double({ min: 0.01, max: 3, noNaN: true }),
      orders: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 300 })),
      currencies: fc.oneof({ weight: 60, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
      failed: fc.oneof({ weight: 40, arbitrary: fc.constant(false) }, fc.constant(true)),
      scopeKind: fc.constantFrom(
        'full' as const,
        'full' as const,
        'window' as const,
        'sample' as const,
        'keys' as const,
      ),
      tenants: fc.oneof({ weight: 9, arbitrary: fc.constant(['*', 'acme']) }, fc.constant(['globex'])),
    }),
    { minLength: 1, maxLength: 110 },
  );
  const toLog = (rows: readonly Drawn[]) => {
    let hour = 0;
    return rows.map(({ gap, length, orders, currencies, ...rest }) => {
      hour += gap;
      return aCycle(hour, { orders, currencies }, { ...rest, endedAt: at(hour + length).toISOString() });
    });
  };
  const rules = fc.record({ missedCycle: fc.constantFrom('restart' as const, 'pause' as const) });
  const endOf = (log: readonly MeasuredCycle[]) =>
    Math.max(...log.map(({ endedAt }) => Date.parse(endedAt) - START)) / HOUR;

  it('the order of the log does not matter', () => {
    fc.assert(
      fc.property(drawn, rules, fc.infiniteStream(fc.nat()), (rows, rule, dice) => {
        const log = toLog(rows);
        const shuffled = log
          .map((cycle) => ({ cycle, place: dice.next().value ?? 0 }))
          .toSorted((a, b) => a.place - b.place);

        expect(
          judge(
            shuffled.map(({ cycle }) => cycle),
            endOf(log),
            rule,
          ),
        ).toEqual(judge(log, endOf(log), rule));
      }),
      { numRuns: 150 },
    );
  });

  it('drift and failures never help, and no clock is ahead of the time since the last drift', () => {
    fc.assert(
      fc.property(drawn, rules, fc.nat(), (rows, rule, place) => {
        const log = toLog(rows);
        const worse = log.map((cycle, index) =>
          index === place % log.length ? { ...cycle, failed: cycle.failed, drift: 1_000_000 } : cycle,
        );
        const now = endOf(log);

        const judged = judgeDrift(log, { ...RULE, ...rule }, ['acme'], at(now));

        const worsened = judgeDrift(worse, { ...RULE, ...rule }, ['acme'], at(now));
        if (worsened.pass) expect(judged.pass).toBe(true);
        const dirty = log.filter(
          ({ scopeKind, drift, rows: count }) => scopeKind !== 'keys' && (100 * drift) / count >= 0.001,
        );
        const last = Math.max(START, ...dirty.map(({ endedAt }) => Date.parse(endedAt)));
        expect(judged.cleanMs).toBeLessThanOrEqual(at(now).getTime() - last);
      }),
      { numRuns: 300 },
    );
  });

  it('the gate asks for every clock: it passes when all of them do, and never shows more time than the shortest', () => {
    fc.assert(
      fc.property(drawn, rules, (rows, rule) => {
        const log = toLog(rows);

        const { pass, reasons, cleanMs, overall, tables, tenants } = judge(log, endOf(log), rule);

        const all = [overall, ...tables, ...tenants];
        expect(pass).toBe(all.every((clock) => clock.pass));
        expect(cleanMs).toBe(Math.min(...all.map((clock) => clock.cleanMs)));
        expect(reasons.length > 0).toBe(!pass);
      }),
      { numRuns: 150 },
    );
  });

  it('time alone, while nothing is missed, only adds to it', () => {
    fc.assert(
      fc.property(drawn, rules, fc.double({ min: 0, max: 1.9, noNaN: true }), (rows, rule, wait) => {
        const log = toLog(rows);
        const before = judgeDrift(log, { ...RULE, ...rule }, ['acme'], at(endOf(log)));

        const after = judgeDrift(log, { ...RULE, ...rule }, ['acme'], at(endOf(log) + wait));

        const isSilent = after.reasons.some((reason) => reason.includes('no cycle has ended well'));
        if (!isSilent) expect(after.cleanMs).toBeGreaterThanOrEqual(before.cleanMs);
      }),
      { numRuns: 300 },
    );
  });

  it('a pause is never shorter than what a restart leaves', () => {
    fc.assert(
      fc.property(drawn, (rows) => {
        const log = toLog(rows);
        const of = (missedCycle: ClocksRule['missedCycle']) =>
          judgeDrift(log, { ...RULE, missedCycle }, ['acme'], at(endOf(log))).cleanMs;

        expect(of('pause')).toBeGreaterThanOrEqual(of('restart'));
      }),
      { numRuns: 300 },
    );
  });
});

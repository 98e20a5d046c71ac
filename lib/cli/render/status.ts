import { formatSpan } from '../../application/operate/format-span.ts';
import type { WindowUse } from '../../application/operate/migration-progress.ts';
import type { MachineStatus, RelayStatus, StatusPayload } from '../../application/operate/status-payload.ts';
import { counted } from '../../domain/counted.ts';
import type { Paint } from '../terminal.ts';
import { clockText } from './drift.ts';
import { age, facts, outcome, paintLines, scopeText, section, stack, table, time, who, wrap } from './layout.ts';

export function renderStatus(status: StatusPayload, paint: Paint): string {
  return stack(
    `${paint.bold(status.plan)} ${status.environment ?? ''} ${paint.dim(time(status.at))}`,
    facts(paint, [
      ['phase', paint.bold(status.phase)],
      ['window', windowText(status, paint)],
      ['authority', authorityText(status)],
      ['marks', marksText(status, paint)],
      ['drift', `${clockText(status.drift, paint)}; ${status.openDrift} open`],
      [
        'breaker',
        status.breaker === null
          ? null
          : `${status.breaker.state}${status.breaker.reason === '' ? '' : `: ${status.breaker.reason}`}`,
      ],
      ['protection', `${status.protection.on ? 'on' : 'off'}: ${status.protection.reason}`],
    ]),
    section(paint, 'machines', machinesTable(status, paint)),
    section(paint, 'tenants', tenantsTable(status, paint)),
    section(paint, 'delivery', deliveryTable(status, paint)),
    section(
      paint,
      'approvals',
      status.approvals
        .map((each) => wrap(`- ${each.id}  ${each.machine}, until ${time(each.expiresAt)}: ${each.question}`))
        .join('\n'),
    ),
    section(paint, 'waits for', waitsText(status, paint)),
  );
}

/** Reasons that are drawn; all are in --json. */
const MOST_REASONS = 9;

function waitsText({ waitsFor }: StatusPayload, paint: Paint): string {
  const more = waitsFor.length - MOST_REASONS;
  return [
    ...waitsFor.slice(0, MOST_REASONS).map((reason) => paintLines(wrap(`- ${reason}`), paint.yellow)),
    ...(more <= 0 ? [] : [`and ${counted(more, 'more reason')} (--json has all of them)`]),
  ].join('\n');
}

function windowText({ windows, phase, numbersFrom }: StatusPayload, paint: Paint): string | null {
  const window = windows.find((each) => each.phase === phase);
  if (window === undefined) return null;
  const limits = `${formatSpan(window.minMs)} to ${window.maxMs === null ? 'no end' : formatSpan(window.maxMs)}${numbersFrom === 'guide' ? ', guide' : ''}`;
  if (window.openedAt === null) return `not begun (${limits})`;
  return `${formatSpan(window.usedMs)} used (${limits})${stateText(window, paint)}`;
}

function stateText({ state }: WindowUse, paint: Paint): string {
  if (state === 'past max') return paint.red(', past its end: it does not advance without an approval');
  return state === 'below min' ? ', below its least time' : '';
}

function authorityText({ authority }: StatusPayload): string {
  return authority.n === 0
    ? `${authority.authoritative} (${authority.why})`
    : `${authority.authoritative}, number ${authority.n} since ${time(authority.at)} by ${who(authority.by)}: ${authority.why}`;
}

function marksText({ marks }: StatusPayload, paint: Paint): string {
  const set = (
    [
      ['paused', marks.paused],
      ['halted', marks.halted],
      ['delivery held', marks.deliveryHeld],
    ] as const
  ).flatMap(([word, mark]) =>
    mark === null ? [] : [paint.yellow(`${word} by ${who(mark.by)} at ${time(mark.at)}: ${mark.why}`)],
  );
  return set.length === 0 ? 'none' : set.join('; ');
}

function machinesTable({ machines, at }: StatusPayload, paint: Paint): string {
  const rows = machines
    .filter((each) => each.machine !== 'rollback' || each.running !== null || each.last !== null)
    .map((each) => [
      each.machine,
      each.machine === 'rollback' ? '-' : `${each.passed} of ${each.tenants}`,
      lastText(each, at, paint),
      runningText(each, at, paint),
    ]);
  return table(paint, ['machine', 'passed', 'last', 'running'], rows);
}

function lastText({ last }: MachineStatus, at: string, paint: Paint): string {
  return last === null ? '-' : `${outcome(paint, last.outcome)} ${age(last.endedAt, at)}`;
}

function runningText({ running }: MachineStatus, at: string, paint: Paint): string {
  if (running === null) return '-';
  const note = running.notes.at(-1);
  return `${paint.cyan(running.step ?? 'starting')}${running.dryRun ? ' (dry)' : ''}, since ${age(running.startedAt, at)}, ${scopeText(running.scope)}, ${running.run}${note === undefined ? '' : `\n${note}`}`;
}

function tenantsTable({ tenants }: StatusPayload, paint: Paint): string {
  if (tenants.length === 0) return 'none exposed yet';
  const rows = tenants.map((each) => [
    each.tenant,
    each.stage,
    String(each.generation),
    each.on ? 'on' : 'off',
    each.copied ? 'yes' : 'no',
    `${each.readPercent} %`,
    time(each.since),
    each.why,
  ]);
  return table(paint, ['tenant', 'stage', 'generation', 'delivery', 'copied', 'reads', 'since', 'why'], rows);
}

function deliveryTable({ queues, relays, at }: StatusPayload, paint: Paint): string {
  const rows = queues.map(({ direction, depth, problem }) => {
    const relay = relays.find(({ work }) => work === `relay/${direction}`);
    const queue =
      depth === null
        ? [`unknown: ${problem ?? ''}`, '-', '-']
        : [String(depth.waiting), String(depth.inFlight), depth.dead > 0 ? paint.red(String(depth.dead)) : '0'];
    return [direction, ...relayColumns(relay, at, paint), ...queue];
  });
  return table(
    paint,
    [
      'direction',
      'lag',
      'undelivered',
      'parked',
      'dead',
      'relay reported',
      'retries waiting',
      'in flight',
      'dead letters',
    ],
    rows,
  );
}

function relayColumns(relay: RelayStatus | undefined, at: string, paint: Paint): readonly string[] {
  if (relay === undefined) return ['-', '-', '-', '-', 'never'];
  const count = (name: string) => (typeof relay.state[name] === 'number' ? relay.state[name] : 0);
  const alarming = (value: number) => (value > 0 ? paint.red(String(value)) : '0');
  return [
    formatSpan(count('oldestMs')),
    String(count('pending') + count('retry')),
    alarming(count('parked')),
    alarming(count('dead')),
    age(relay.at, at),
  ];
}

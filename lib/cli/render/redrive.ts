import { type RedriveDirection, type RedrivePayload, setAsideOf } from '../../application/operate/redrive.ts';
import type { Paint } from '../terminal.ts';
import { section, stack, table } from './layout.ts';

export function renderRedrive({ dryRun, directions }: RedrivePayload, paint: Paint): string {
  const rows = directions.map((each) => [
    each.direction,
    String(each.parked),
    String(each.dead),
    String(each.deadLetters),
    resultOf(each, dryRun),
  ]);
  const reasons = directions.flatMap((each) => each.reasons);
  const groups = directions.flatMap((each) =>
    each.groups.map(({ tenant, state, table: name, events, reason }) => [tenant, state, name, String(events), reason]),
  );
  return stack(
    table(paint, ['direction', 'parked', 'dead', 'dead letters', dryRun ? '' : 'result'], rows),
    groups.length === 0
      ? ''
      : section(paint, 'by tenant and reason', table(paint, ['tenant', 'state', 'table', 'events', 'reason'], groups)),
    section(paint, 'why they were set aside', reasons.join('\n')),
  );
}

function resultOf(each: RedriveDirection, dryRun: boolean): string {
  const { requested, carriedOutAt, broughtBack, unlisted } = each;
  if (setAsideOf(each) === 0) return 'nothing is set aside';
  if (dryRun) return unlisted === 0 ? '' : `and perhaps some of ${unlisted} events that are not listed`;
  if (!requested) return 'not asked for';
  return carriedOutAt === null
    ? 'asked for; the relay comes to it within a minute'
    : `${broughtBack} events are back with the relay`;
}

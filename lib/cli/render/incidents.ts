import type { ClosingPayload, IncidentsPayload } from '../../application/operate/incidents.ts';
import type { RecoverPayload } from '../../application/operate/recover.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, time, who } from './layout.ts';

export function renderIncidents({ incidents, open }: IncidentsPayload, paint: Paint): string {
  if (incidents.length === 0) return 'no incident is open';
  const shown = incidents.map((incident) =>
    section(
      paint,
      incident.id,
      facts(paint, [
        ['what', incident.closed === undefined ? paint.red(incident.says) : incident.says],
        ['first seen', time(incident.firstAt)],
        ['last seen', time(incident.lastAt)],
        ['rows', incident.sample.length === 0 ? null : incident.sample.join(', ')],
        [
          'mended',
          incident.mendedAt === undefined
            ? null
            : `${time(incident.mendedAt)}; a clean full pass that begins later closes it`,
        ],
        [
          'asked to close',
          incident.closing === undefined ? null : `${who(incident.closing.by)}: ${incident.closing.why}`,
        ],
        [
          'closed',
          incident.closed === undefined
            ? null
            : `${time(incident.closed.at)} by ${who(incident.closed.by)}: ${incident.closed.why}`,
        ],
      ]),
    ),
  );
  return stack(`${open} open`, ...shown);
}

export function renderClosing({ incident }: ClosingPayload): string {
  return `${incident.id} will be closed within a minute`;
}

export function renderRecover(
  { direction, says, dryRun, carriedOutAt, epoch, tenants }: RecoverPayload,
  paint: Paint,
): string {
  const result =
    carriedOutAt === null
      ? 'asked for; the relay comes to it within a minute'
      : `epoch ${epoch} has begun at ${time(carriedOutAt)}; to be copied or compared again: ${tenants.join(', ')}`;
  return stack(section(paint, `${direction}: what is known of the loss`, says.join('\n')), dryRun ? '' : result);
}

/** `crossfade incidents show|close`: what must not happen and did. Closing is a request, because the rows of a foreign write stand in a store. */
import type { Mark } from '../../contracts/documents.ts';
import { type Incident, listIncidents } from '../incidents/incidents.ts';
import { type Operator, OperatorError } from './operator.ts';

export interface IncidentsPayload {
  readonly incidents: readonly Incident[];
  readonly open: number;
  readonly next: string;
}

/** Open ones first, then by when they were last seen. */
export async function showIncidents(operator: Operator, { all }: { readonly all: boolean }): Promise<IncidentsPayload> {
  const found = await listIncidents(operator);
  const open = found.filter(({ closed }) => closed === undefined);
  const rank = (incident: Incident) => `${incident.closed === undefined ? 1 : 0}${incident.lastAt}`;
  const incidents = (all ? found : open).toSorted((one, other) => (rank(one) < rank(other) ? 1 : -1));
  return { incidents, open: open.length, next: operator.command(nextOf(open)) };
}

export interface ClosingPayload {
  readonly incident: Incident;
  readonly next: string;
}

/** Carried out by the controller within a minute. What is seen after the person asked is a new incident. */
export async function askToClose(operator: Operator, id: string, why: string): Promise<ClosingPayload> {
  const stored = await operator.documents.get('incident', id);
  if (stored === undefined)
    throw new OperatorError('usage', `no incident ${id}`, { next: operator.command('incidents show --all') });
  if (stored.value.closed !== undefined)
    throw new OperatorError(
      'refused',
      `incident ${id} was closed by ${stored.value.closed.by}: ${stored.value.closed.why}`,
      {
        next: operator.command('incidents show'),
      },
    );
  if (stored.value.kind === 'history-lost')
    throw new OperatorError('refused', 'a lost history is not closed, it is recovered from', {
      next: operator.command('recover'),
    });
  const closing: Mark = { by: await operator.identity.whoAmI(), at: operator.clock.now().toISOString(), why };
  const value = { ...stored.value, closing };
  await operator.documents.put('incident', id, value, stored.version);
  return { incident: { ...value, id }, next: operator.command('incidents show') };
}

function nextOf(open: readonly Incident[]): string {
  if (open.some(({ kind }) => kind === 'history-lost')) return 'recover';
  if (open.some(({ kind, mendedAt }) => kind === 'bypass' && mendedAt === undefined)) return 'start dual-write';
  return open.length > 0 ? 'reconcile --repair' : 'status';
}

/** The incident documents: what must not happen and did. Every opening and closing is put in the evidence log. */
import type { IncidentDocument, Mark } from '../../contracts/documents.ts';
import type { Deps } from '../deps.ts';
import { noteDecision } from '../note-decision.ts';

export type Seen = Omit<IncidentDocument, 'mendedAt' | 'closing' | 'closed'>;

export interface Incident extends IncidentDocument {
  readonly id: string;
}

export function incidentId({ store, kind, subject }: Pick<IncidentDocument, 'store' | 'kind' | 'subject'>): string {
  return `${store}/${kind}/${subject}`;
}

export async function listIncidents(deps: Pick<Deps, 'documents'>): Promise<readonly Incident[]> {
  return (await deps.documents.list('incident')).map(({ id, value }) => ({ ...value, id }));
}

export async function openIncidents(deps: Pick<Deps, 'documents'>): Promise<readonly Incident[]> {
  return (await listIncidents(deps)).filter(({ closed }) => closed === undefined);
}

/** Opens the incident, or says that it is still there; one that was closed is opened anew. */
export async function seeIncident(deps: Deps, seen: Seen): Promise<void> {
  const id = incidentId(seen);
  const stored = await deps.documents.get('incident', id);
  const before = stored?.value;
  const isOpen = before !== undefined && before.closed === undefined;
  const next: IncidentDocument = {
    ...seen,
    firstAt: isOpen ? before.firstAt : seen.firstAt,
    ...(isOpen && before.closing !== undefined ? { closing: before.closing } : {}),
  };
  if (isOpen && isSame(before, next)) return;
  await deps.documents.put('incident', id, next, stored?.version ?? 'absent');
  if (isOpen) return;
  deps.log.error('incident', { incident: id, says: seen.says, count: seen.count, sample: seen.sample });
  await noteDecision(deps, 'incident', `incident ${id}: ${seen.says}`);
}

/** It is not found any more. What happened before it was mended is still to be verified. */
export async function mendIncident(deps: Deps, { id }: Incident): Promise<void> {
  const stored = await deps.documents.get('incident', id);
  if (stored === undefined || stored.value.mendedAt !== undefined) return;
  const mendedAt = deps.clock.now().toISOString();
  await deps.documents.put('incident', id, { ...stored.value, mendedAt }, stored.version);
}

export async function closeIncident(deps: Deps, { id }: Incident, closed: Mark): Promise<void> {
  const stored = await deps.documents.get('incident', id);
  if (stored === undefined || stored.value.closed !== undefined) return;
  await deps.documents.put('incident', id, { ...stored.value, closed }, stored.version);
  await noteDecision(deps, 'incident', `incident ${id} is closed: ${closed.why}`, closed.by);
}

function isSame(before: IncidentDocument, next: IncidentDocument): boolean {
  return (
    before.mendedAt === undefined &&
    before.lastAt === next.lastAt &&
    before.count === next.count &&
    before.says === next.says
  );
}

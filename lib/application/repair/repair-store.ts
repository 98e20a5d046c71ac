/** Where a repair stands: its document in the control table, and what it does row by row in the bucket, tied together by a hash. */
import type { RepairDocument } from '../../contracts/documents.ts';
import { type RepairArtefact, repairKey } from '../../contracts/repair.ts';
import { fingerprint } from '../../domain/fingerprint.ts';
import type { Stored } from '../../ports/documents.ts';
import type { ObjectStore } from '../../ports/objects.ts';
import type { Deps } from '../deps.ts';

/** The artefact first: a document never speaks of a plan that is not there. @returns the hash that everything else is bound to. */
export async function saveArtefact(objects: ObjectStore, artefact: RepairArtefact): Promise<string> {
  const body = JSON.stringify(artefact);
  await objects.put(repairKey(artefact.id), body, 'application/json');
  return fingerprint(body);
}

/** @throws {RangeError} when the plan is gone, or is not the one that was recorded (and reviewed). */
export async function readArtefact(objects: ObjectStore, document: RepairDocument): Promise<RepairArtefact> {
  const body = await objects.get(repairKey(document.id));
  if (body === undefined)
    throw new RangeError(
      `the plan of repair ${document.id} is not in bucket ${objects.bucket}; run: npx crossfade repair plan`,
    );
  const hash = fingerprint(body);
  if (hash !== document.hash)
    throw new RangeError(
      `the plan of repair ${document.id} was changed since it was made: its hash is ${hash.slice(0, 12)}, ${document.hash.slice(0, 12)} is on record; run: npx crossfade repair plan`,
    );
  // Written by saveArtefact, as the hash proves.
  return JSON.parse(body) as RepairArtefact;
}

export async function findRepair(deps: Pick<Deps, 'documents'>, id: string): Promise<RepairDocument | undefined> {
  return (await deps.documents.get('repair', id))?.value;
}

/** Compare and swap; what `change` does not name stays. */
export async function updateRepair(
  { documents }: Pick<Deps, 'documents'>,
  id: string,
  change: Partial<RepairDocument>,
): Promise<void> {
  const stored: Stored<RepairDocument> | undefined = await documents.get('repair', id);
  if (stored === undefined) throw new RangeError(`there is no repair ${id}; run: npx crossfade repair list`);
  await documents.put('repair', id, { ...stored.value, ...change }, stored.version);
}

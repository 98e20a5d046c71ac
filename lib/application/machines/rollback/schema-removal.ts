/** The list that a person approves before the schema goes, and how far its removal has come. */
import type { Run } from '../../../contracts/machine-io.ts';
import { STORES, type StoreName } from '../../../domain/direction.ts';
import { fingerprint } from '../../../domain/fingerprint.ts';
import type { Deps } from '../../deps.ts';

const SCHEMA_REMOVAL = 'schema-removal';

export interface SchemaRemoval {
  /** Run that listed it. */
  readonly execution: string;
  /** One line an object: see sql/install/made-objects.ts. */
  readonly objects: Readonly<Record<StoreName, readonly string[]>>;
  /** Dropped from one store and perhaps not yet from the other: nothing is installed meanwhile. */
  readonly begun: boolean;
  /** False: a store had lost the schema by other means, so tenants may be on and rows be left in the target. */
  readonly takenBack: boolean;
}

export async function readRemoval({ documents }: Pick<Deps, 'documents'>): Promise<SchemaRemoval | undefined> {
  // Written below.
  return (await documents.get('progress', SCHEMA_REMOVAL))?.value.state as SchemaRemoval | undefined;
}

export async function writeRemoval({ documents, clock }: Deps, removal: SchemaRemoval): Promise<void> {
  const at = clock.now().toISOString();
  await documents.put('progress', SCHEMA_REMOVAL, { work: SCHEMA_REMOVAL, state: { ...removal }, at }, 'any');
}

export function removalHash({ objects }: SchemaRemoval): string {
  return fingerprint(STORES.map((store) => [store, objects[store]]));
}

/** For the approver; undefined while this run has listed nothing. */
export async function schemaQuestion(
  deps: Deps,
  run: Run,
): Promise<{ readonly question: string; readonly evidenceHash: string } | undefined> {
  const removal = await readRemoval(deps);
  if (removal === undefined || removal.execution !== run.execution) return undefined;
  const counts = STORES.map((store) => `${removal.objects[store].length} objects in ${store}`).join(' and ');
  const clients = clientTables(deps);
  const warnings = [
    ...(removal.takenBack
      ? []
      : ['a store was without the schema before: rows that Crossfade wrote may be left in the target']),
    ...(clients.length === 0
      ? []
      : [`writes of applications that still call the client library's capture fail (${clients.join(', ')})`]),
  ];
  return {
    question: `Drop what Crossfade made, ${counts}? ${warnings.map((line) => `${line}. `).join('')}Read the list: npx crossfade runs ${run.execution.split(':').at(-1)} --plan ${run.plan}`,
    evidenceHash: removalHash(removal),
  };
}

/** Tables whose applications call a function in the schema. */
function clientTables({ plan }: Deps): readonly string[] {
  return Object.entries(plan.tables).flatMap(([name, { capture }]) => (capture === 'client' ? [name] : []));
}

/**
 * What numbers what is gone: positions, generations, marks; and the cycle log, whose clean hours are not those of the next copy.
 * Runs, evidence and journal stay, and the reports in the bucket. @param kept progress that says nothing of the schema.
 */
export async function forgetSchema({ documents }: Deps, kept: readonly string[]): Promise<void> {
  for (const kind of ['tenant', 'cycle', 'drift'] as const)
    for (const { id } of await documents.list(kind)) await documents.remove(kind, id);
  const stale = (await documents.list('progress')).filter(({ id }) => id !== SCHEMA_REMOVAL && !kept.includes(id));
  for (const { id } of stale) await documents.remove('progress', id);
  // Last: whoever dies before begins again.
  await documents.remove('progress', SCHEMA_REMOVAL);
}

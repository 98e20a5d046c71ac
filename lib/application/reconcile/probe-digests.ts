/** What the two servers can do for a digest: which types they hash alike, and whether they compute MD5 at all. */
import { type DigestForm, fingerprintFor, mayBeFast } from '../../domain/digest.ts';
import { STORES, type StoreName } from '../../domain/direction.ts';
import type { MigratedTable } from '../../domain/table.ts';
import { SqlError } from '../../ports/sql.ts';
import { blindColumns } from '../../sql/compare/fast-form.ts';
import { type HashProbeRow, hashedTypes, probeHashes, probeMd5 } from '../../sql/compare/probe-hashes.ts';
import type { Deps } from '../deps.ts';
import type { Migration } from '../migration.ts';

/** Types of a table that the two servers hash differently: empty where the fast form may be used. */
export async function unlikeTypes({ databases }: Deps, table: MigratedTable): Promise<readonly string[]> {
  const types = hashedTypes(table);
  const [legacy, target] = await Promise.all(
    STORES.map(async (store) => {
      const [row] = await databases.open(store, 'compare').query<HashProbeRow>(probeHashes(types));
      // The statement builds the list itself.
      return (JSON.parse(row?.hashes ?? '[]') as unknown[]).flat(Infinity) as readonly string[];
    }),
  );
  return types.filter((_, index) => legacy?.[index] === undefined || legacy[index] !== target?.[index]);
}

/** @throws {RangeError} where a server refuses MD5, as those under FIPS do. */
export async function checkMd5({ databases }: Deps): Promise<void> {
  for (const store of STORES) {
    await databases
      .open(store, 'compare')
      .query(probeMd5)
      .catch((error: unknown) => {
        throw isRefusal(error) ? new RangeError(refusal(store, error)) : error;
      });
  }
}

export interface TableDigest {
  readonly table: string;
  readonly form: DigestForm;
  /** Why it is not the fast form, or not the one that the plan names. */
  readonly because?: string | undefined;
}

/** The form that each table's digest gets outside of windows with the plan's `reconcile.digest`. */
export async function digestForms(migration: Migration): Promise<readonly TableDigest[]> {
  const wish = migration.deps.plan.reconcile.digest;
  if (wish === 'md5') await checkMd5(migration.deps);
  const tables: TableDigest[] = [];
  for (const table of migration.tables) {
    const unlike = mayBeFast('checksum', wish) ? await unlikeTypes(migration.deps, table) : [];
    const blind = blindColumns(table);
    const seen = { hashesAlike: unlike.length === 0, blindColumns: blind, isWindow: false };
    const { form } = fingerprintFor('checksum', wish, seen);
    const because =
      unlike.length > 0
        ? `the two servers hash ${unlike.join(', ')} differently`
        : form === 'exact' && wish === 'auto'
          ? `outside of windows, because PostgreSQL's hash of ${blind.join(', ')} leaves out signs and nesting`
          : undefined;
    tables.push({ table: table.name, form, because });
  }
  return tables;
}

function isRefusal(error: unknown): error is SqlError {
  // XX000 `could not compute MD5 hash: …`; a server that is down says something else.
  return error instanceof SqlError && /md5/i.test(error.message);
}

function refusal(store: StoreName, error: SqlError): string {
  return `the ${store} server does not compute MD5 (${error.message}), as under FIPS; use reconcile --mode=exact, or reconcile.digest: exact in the plan`;
}

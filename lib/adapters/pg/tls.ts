/** TLS of a `pg` store by the plan's `tls`; a certificate that does not verify ends the connection as a configuration error. */
import { existsSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type pg from 'pg';
import type { PgStore } from '../../plan/stores.ts';

/** Where the Node.js runtime of Lambda keeps the authorities of RDS. */
const RDS_AUTHORITIES = '/var/runtime/ca-cert.pem';

/** @param bundle folder of the deployed bundle, which holds `caBundle`. */
export function tlsOptions(store: Pick<PgStore, 'tls' | 'caBundle'>, bundle: URL | undefined): pg.ClientConfig['ssl'] {
  if (store.tls === 'disable') return false;
  if (store.tls === 'require') return { rejectUnauthorized: false };
  const ca = authorities(store.caBundle, bundle);
  if (store.tls === 'verify-full') return { rejectUnauthorized: true, ca };
  return { rejectUnauthorized: true, ca, checkServerIdentity: () => undefined };
}

function authorities(caBundle: string | undefined, bundle: URL | undefined): string[] {
  if (caBundle !== undefined) {
    if (bundle === undefined)
      throw new TypeError(
        `caBundle ${caBundle} of the plan is a file of the deployed bundle, and there is no bundle here`,
      );
    return [readFileSync(new URL(caBundle, bundle), 'utf8')];
  }
  return existsSync(RDS_AUTHORITIES)
    ? [...rootCertificates, readFileSync(RDS_AUTHORITIES, 'utf8')]
    : [...rootCertificates];
}

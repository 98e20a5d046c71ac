/** An AWS emulator of a test file's own: signatures checked, clients that reach nothing else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOCAL_REGION } from '../../lib/local/checkout.ts';
import { type Emulator, startEmulator } from '../../lib/local/emulator.ts';
import { freePort } from '../../lib/local/ports.ts';

export interface TestEmulator {
  readonly url: string;
  /** For the constructor of any SDK client. */
  readonly client: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: Emulator['credentials'];
  };
  stop(): Promise<void>;
}

export async function startTestEmulator(environment: Readonly<Record<string, string>> = {}): Promise<TestEmulator> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-emulator-'));
  const emulator = await startEmulator({ folder, port: await freePort(), environment });
  return {
    url: emulator.url,
    client: { endpoint: emulator.url, region: LOCAL_REGION, credentials: emulator.credentials },
    stop: async () => {
      await emulator.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

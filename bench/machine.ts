/** What numbers of a benchmark mean nothing without. */
import { cpus, loadavg, release, totalmem } from 'node:os';
import { type BenchServers, readOne } from './servers.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  readonly dataIn: 'memory' | 'disk';
  /** One minute's load before the first and after the last run: other work on the machine slows everything down. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export async function describeMachine(servers: BenchServers, loadBefore: number): Promise<Machine> {
  const { version } = await readOne<{ version: string }>(
    servers.urls.legacy,
    `SELECT current_setting('server_version') AS version`,
  );
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    postgres: version,
    dataIn: servers.dataIn,
    loadBefore,
    loadAfter: loadNow(),
  };
}

/** Of the last minute. */
export function loadNow(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

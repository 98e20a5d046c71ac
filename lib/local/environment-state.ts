/** What runs, written down as it starts, so that `status` and `down` find it from another process, also after a crash half way. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreName } from '../domain/direction.ts';
import type { AwsCredentials } from './checkout.ts';
import { isAlive, type ProcessIdentity } from './processes.ts';
import type { LocalStore } from './stores.ts';

export const SERVICES = ['legacy', 'target', 'emulator', 'front'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface EnvironmentState {
  readonly services: Partial<Record<ServiceName, ServiceState>>;
  readonly stores?: Readonly<Record<StoreName, LocalStore>> | undefined;
  readonly endpoint?: string | undefined;
  readonly credentials?: AwsCredentials | undefined;
  readonly plan?: DeployedPlan | undefined;
}

export interface ServiceState {
  /** Undefined for a service that somebody else runs. */
  readonly process?: ProcessIdentity | undefined;
  /** Where it answers; a server's holds a password. */
  readonly url: string;
}

export interface DeployedPlan {
  readonly name: string;
  /** As its author wrote it. */
  readonly source: string;
  /** The resolved copy. */
  readonly file: string;
  /** Of the author's text: the same plan is not deployed twice. */
  readonly sourceHash: string;
}

export function readState(folder: string): EnvironmentState | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(folder), 'utf8')) as EnvironmentState;
  } catch {
    return undefined;
  }
}

/** Readable by its owner only: it holds passwords of this rehearsal. */
export function writeState(folder: string, state: EnvironmentState): void {
  mkdirSync(folder, { recursive: true });
  const unfinished = `${fileIn(folder)}.${process.pid}`;
  writeFileSync(unfinished, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, fileIn(folder));
}

export function removeState(folder: string): void {
  rmSync(fileIn(folder), { force: true });
}

/** Those of our own services that run. */
export function liveServices(state: EnvironmentState): readonly ServiceName[] {
  return SERVICES.filter((name) => {
    const identity = state.services[name]?.process;
    return identity !== undefined && isAlive(identity);
  });
}

/** Whether each service that was started still runs, and all of them were. */
export function isUp(state: EnvironmentState): boolean {
  return SERVICES.every((name) => {
    const service = state.services[name];
    return service !== undefined && (service.process === undefined || isAlive(service.process));
  });
}

function fileIn(folder: string): string {
  return join(folder, 'state.json');
}

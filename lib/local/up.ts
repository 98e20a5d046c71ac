/** `npm run local -- up | status | down`: a rehearsal whose services outlive the command that started them. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { STORES, type StoreName } from '../domain/direction.ts';
import { loadPlan } from '../plan/plan.ts';
import { adoptPlan, isEmptyFor } from './adopt-plan.ts';
import { CROSSFADE_FOLDER, localAwsVariables } from './checkout.ts';
import { bootstrapEndpoint, deployPlan } from './deploy.ts';
import { givenEndpoint, OWN_ENDPOINT_VARIABLE } from './emulator.ts';
import { functionVariables, openStores } from './environment.ts';
import {
  type EnvironmentState,
  isUp,
  liveServices,
  readState,
  removeState,
  SERVICES,
  type ServiceName,
  writeState,
} from './environment-state.ts';
import { openLifetimeScope } from './lifetime-scope.ts';
import { loadSqlFile } from './load-sql.ts';
import { stopPostgres } from './postgres.ts';
import { dataFolderFor } from './postgres-programs.ts';
import { endTree, isAlive } from './processes.ts';
import { startServices } from './services.ts';
import { ownerRole, ownStores, URL_VARIABLES } from './stores.ts';

export const LOCAL_FOLDER = join(CROSSFADE_FOLDER, 'local');

export interface UpOptions {
  readonly folder: string;
  readonly planFile?: string | undefined;
  /** Loaded into a database that is new. */
  readonly sqlFiles: Partial<Record<StoreName, string>>;
  readonly progress: (line: string) => void;
}

export interface LocalStatus {
  readonly state: 'up' | 'down' | 'broken';
  readonly services: Readonly<
    Partial<Record<ServiceName, { readonly url: string; readonly pid: number | null; readonly running: boolean }>>
  >;
  readonly plan: { readonly name: string; readonly file: string; readonly source: string } | null;
  /** Shell file with the AWS variables of this rehearsal. */
  readonly variablesFile: string | null;
  readonly next: string;
}

const GRACE_MS = 5_000;

/** What is up stays up: only what is missing is started, and a plan is deployed only when it changed. */
export async function bringUp(options: UpOptions): Promise<LocalStatus> {
  const { folder, progress } = options;
  // Before anything starts: a plan with a mistake should cost no time.
  const source = options.planFile === undefined ? undefined : readPlan(options.planFile);
  const known = readState(folder);
  if (known !== undefined && !isUp(known)) {
    progress('ending what is left of an earlier run');
    await takeDown(folder);
  }
  if (known !== undefined && isUp(known)) refuseOtherStores(known);
  const running = known !== undefined && isUp(known) ? known : await startDetached(options);
  if (source === undefined) return status(folder);
  const sourceHash = createHash('sha256').update(source.text).digest('hex');
  if (running.plan?.sourceHash === sourceHash && running.plan.source === source.file) {
    progress(`plan ${running.plan.name} is deployed already`);
    return status(folder);
  }
  const scope = openLifetimeScope();
  try {
    const { services, endpoint = '', credentials = { accessKeyId: '', secretAccessKey: '' } } = running;
    const servers = { legacy: { url: services.legacy?.url ?? '' }, target: { url: services.target?.url ?? '' } };
    const { stores } = await openStores({ servers, ownStores: running.stores }, source.plan);
    for (const store of STORES) {
      const file = options.sqlFiles[store];
      if (file === undefined) continue;
      if (!(await isEmptyFor(source.plan, stores[store]))) {
        progress(`${store}: ${stores[store].database} has tables of the plan already; ${file} is not loaded again`);
        continue;
      }
      await loadSqlFile(
        stores[store].url,
        resolve(file),
        stores[store].own ? undefined : ownerRole(stores[store].database),
      );
      progress(`${store}: ${file} loaded into ${stores[store].database}`);
    }
    const adopted = await adoptPlan({ planFile: source.file, folder, stores, endpoint, credentials });
    progress(`roles and secrets for plan ${adopted.name}`);
    const deploying = { folder: join(folder, 'deploy'), endpoint, credentials, progress, signal: scope.signal };
    await bootstrapEndpoint(deploying);
    await deployPlan({
      ...deploying,
      planFile: adopted.file,
      functionVariables: functionVariables(services.front?.url ?? ''),
    });
    writeState(folder, {
      ...running,
      plan: { name: adopted.name, source: source.file, file: adopted.file, sourceHash },
    });
  } finally {
    await scope.close();
  }
  return status(folder);
}

export function status(folder: string): LocalStatus {
  const state = readState(folder);
  if (state === undefined)
    return { state: 'down', services: {}, plan: null, variablesFile: null, next: 'npm run local -- up --plan PLAN' };
  const services = Object.fromEntries(
    SERVICES.flatMap((name) => {
      const service = state.services[name];
      if (service === undefined) return [];
      const { process: identity, url } = service;
      return [
        [
          name,
          {
            url: withoutPassword(url),
            pid: identity?.pid ?? null,
            running: identity === undefined || isAlive(identity),
          },
        ],
      ];
    }),
  );
  const plan =
    state.plan === undefined ? null : { name: state.plan.name, file: state.plan.file, source: state.plan.source };
  const variablesFile = variablesFileIn(folder);
  const up = isUp(state);
  const next = !up
    ? 'npm run local -- up'
    : plan === null
      ? 'npm run local -- up --plan PLAN'
      : `. ${quote(variablesFile)} && npx crossfade status --plan ${plan.name}`;
  return { state: up ? 'up' : 'broken', services, plan, variablesFile, next };
}

/** Ends every service that runs and forgets the rest. Returns the names of those that were ended. */
export async function takeDown(folder: string): Promise<readonly ServiceName[]> {
  const state = readState(folder);
  if (state === undefined) return [];
  const ended = liveServices(state);
  // The front before the servers that it has sessions on.
  for (const name of ended.toReversed()) {
    const identity = state.services[name]?.process;
    if (identity === undefined) continue;
    await (name === 'legacy' || name === 'target' ? stopPostgres(identity) : endTree(identity, 'SIGTERM', GRACE_MS));
  }
  for (const store of STORES)
    rmSync(join(dataFolderFor(join(folder, store)), 'data'), { recursive: true, force: true });
  removeState(folder);
  return ended;
}

async function startDetached({ folder, progress }: UpOptions): Promise<EnvironmentState> {
  const scope = openLifetimeScope();
  let state: EnvironmentState = { services: {} };
  try {
    const services = await startServices({
      folder,
      ports: 'fixed',
      lifetime: 'detached',
      scope,
      progress,
      started: (name, service) => {
        state = { ...state, services: { ...state.services, [name]: service } };
        writeState(folder, state);
      },
    });
    const { endpoint, credentials, dataApiUrl } = services;
    state = { ...state, stores: ownStores(), endpoint, credentials };
    writeState(folder, state);
    writeVariables(folder, {
      ...localAwsVariables(endpoint, credentials),
      AWS_ENDPOINT_URL_RDS_DATA: dataApiUrl,
      ...(givenEndpoint() === undefined ? { [OWN_ENDPOINT_VARIABLE]: endpoint } : {}),
    });
    scope.release();
    return state;
  } catch (error) {
    await scope.close();
    removeState(folder);
    throw error;
  }
}

/** What is up was brought up with its stores: other URLs would be read and not used. */
function refuseOtherStores(running: EnvironmentState): void {
  const wanted = ownStores();
  if (wanted === undefined) return;
  const changed = STORES.filter((store) => wanted[store].url !== running.stores?.[store].url);
  if (changed.length === 0) return;
  throw new Error(
    `the local environment is up with another database than ${changed.map((store) => URL_VARIABLES[store]).join(' and ')} now says; run npm run local -- down, and then up again`,
  );
}

function readPlan(planFile: string) {
  const file = resolve(planFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new Error(`the plan ${file} cannot be read; give its name with --plan`);
  }
  return { file, text, plan: loadPlan(text, planFile) };
}

function variablesFileIn(folder: string): string {
  return join(folder, 'variables.sh');
}

/** For the shell: `. .crossfade/local/variables.sh` lets the AWS CLI and Crossfade's CLI find this rehearsal. */
function writeVariables(folder: string, variables: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`);
  writeFileSync(variablesFileIn(folder), `${lines.join('\n')}\n`, { mode: 0o600 });
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.toString();
}

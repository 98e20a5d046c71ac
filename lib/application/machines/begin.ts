/** `begin`: the input is checked, the machine is taken by this execution and no other, and its entry gates are judged. */
import {
  type MachineInput,
  REGION_PREFIX,
  type Run,
  type StepEvent,
  type StepResult,
} from '../../contracts/machine-io.ts';
import { isScopeWish, SCOPE_KINDS } from '../../domain/cycle-scope.ts';
import { sourceOf } from '../../domain/direction.ts';
import type { GateDecision } from '../../domain/gate.ts';
import { type Machine, WAYS_BACK } from '../../domain/phase.ts';
import { someTenants } from '../../domain/some-tenants.ts';
import { NO_TENANT } from '../../domain/table.ts';
import type { Deps } from '../deps.ts';
import { loadMigration } from '../migration.ts';
import { commandOf } from '../operate/command-of.ts';
import { recordPlan } from '../operate/deployed-plan.ts';
import { PlanMismatch } from '../read-tables.ts';
import { directionInForce } from '../switch/authority.ts';
import { allTenants } from '../tenants/all-tenants.ts';
import { takeMachine } from './hold.ts';
import { noteStep, recordEvidence, startRunDocument } from './run-record.ts';
import { type MachineDefinition, proceed, refuse } from './step.ts';

export async function begin(definition: MachineDefinition, deps: Deps, event: StepEvent): Promise<StepResult> {
  const { machine } = definition;
  if (event.begin === undefined) throw new RangeError(`begin of ${machine} came without its input`);
  const { input, execution, startedAt } = event.begin;
  await recordPlan(deps.documents, deps.plan, deps.planHash, deps.clock.now());
  const problems = inputProblems(deps, machine, input);
  const resolved = await resolveScope(deps, input, problems);
  const run: Run = {
    execution,
    machine,
    plan: deps.plan.name,
    scope: resolved,
    dryRun: input.dryRun === true,
    from: input.from ?? null,
    repair: input.repair === true,
    mode: input.mode ?? null,
    tables: input.tables ?? [],
    limit: input.limit ?? null,
    scopeKind: input.scopeKind ?? null,
    windowMs: input.windowMs ?? null,
    keys: input.keys ?? [],
    repairJob: input.repairJob ?? null,
    requestedBy: input.requestedBy ?? 'unknown',
    startedAt,
  };
  const isAskedAgain = problems.length === 0 && run.repairJob == null;
  const asked = { ...input, machine, scope: input.scope ?? [], dryRun: run.dryRun };
  await startRunDocument(deps, run, isAskedAgain ? commandOf(asked) : undefined);
  const refusal = async (reasons: readonly string[], gates: readonly GateDecision[] = []): Promise<StepResult> => {
    await noteStep(deps, run, 'begin', [], gates, reasons);
    await recordEvidence(deps, run, gates);
    return { ...refuse(reasons, { gates }), run };
  };
  if (problems.length > 0) return refusal(problems);
  const control = await deps.documents.get('control', 'control');
  if (control?.value.halted !== undefined && machine !== 'rollback') {
    const { by, at, why } = control.value.halted;
    return refusal([`the migration was halted by ${by} at ${at}: ${why}; run: npx crossfade resume`]);
  }
  const holder = await takeMachine(deps, run);
  if (holder !== null) return refusal([`${machine} is already running as ${holder}; run: npx crossfade status`]);
  if (!run.dryRun && run.machine === 'baseline') await deps.protection.set(true);
  const gates = await definition.entry(deps, run);
  const failed = gates.filter((gate) => !gate.pass);
  if (failed.length > 0)
    return refusal(
      failed.flatMap((gate) => gate.reasons),
      gates,
    );
  await openMachine(deps, run);
  await noteStep(deps, run, 'begin', [`scope: ${someTenants(run.scope)}`], gates);
  await recordEvidence(deps, run, gates);
  return { ...proceed({ gates }), run };
}

function inputProblems(deps: Deps, machine: Machine, input: MachineInput): string[] {
  const problems: string[] = [];
  if (input.plan !== deps.plan.name)
    problems.push(`the execution is for plan ${String(input.plan)}, but ${deps.plan.name} is deployed here`);
  if (machine === 'rollback' && !WAYS_BACK.some((known) => known === input.from)) {
    problems.push(`rollback needs "from", one of ${WAYS_BACK.join(', ')}; got ${String(input.from)}`);
  }
  if (input.from === 'schema' && (input.scope ?? []).length > 0)
    problems.push('the schema serves every tenant: rollback of "schema" takes no "scope"');
  if (input.scope !== undefined && !Array.isArray(input.scope)) problems.push('"scope" must be a list of tenants');
  for (const table of input.tables ?? []) {
    if (deps.plan.tables[table] === undefined)
      problems.push(`table ${table} is not in the plan; it has ${Object.keys(deps.plan.tables).join(', ')}`);
  }
  return [...problems, ...scopeProblems(input)];
}

function scopeProblems({ scopeKind, windowMs, limit, keys, tables = [] }: MachineInput): string[] {
  const problems: string[] = [];
  if (scopeKind !== undefined && !isScopeWish(scopeKind))
    problems.push(`scope ${String(scopeKind)} is not known; use ${SCOPE_KINDS.join(', ')}`);
  for (const [name, value] of Object.entries({ windowMs, limit })) {
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      problems.push(`"${name}" must be a whole number above 0; got ${String(value)}`);
  }
  if (keys !== undefined && !(Array.isArray(keys) && keys.every((key) => typeof key === 'string')))
    problems.push('"keys" must be a list of row keys as text, such as ["[42]"]');
  const isAboutKeys = scopeKind === 'keys' || (Array.isArray(keys) && keys.length > 0);
  if (isAboutKeys && tables.length !== 1) problems.push(`keys are of one table; got ${tables.length}`);
  if (scopeKind === 'keys' && (keys ?? []).length === 0) problems.push('scope keys needs the keys');
  return problems;
}

/**
 * The scope goes from step to step (Step Functions: 256 KB), and stands in documents of 400 KB with the time of each tenant beside
 * it: 2500 uuids.
 */
const MOST_SCOPE_BYTES = 100_000;
/** Tenants without rows that are named one by one. */
const MOST_UNKNOWN = 20;

/** All tenants unless the input names some. A catalogue that does not fit the plan leaves the shared tenant; baseline says what is wrong. */
async function resolveScope(deps: Deps, input: MachineInput, problems: string[]): Promise<readonly string[]> {
  const wanted = expandRegions(deps, Array.isArray(input.scope) ? input.scope : [], problems);
  try {
    const migration = await loadMigration(deps);
    const known = await allTenants(migration, sourceOf(await directionInForce(deps)));
    const scope = wanted.length === 0 ? [...new Set([...known, ...(await exposedOf(deps, input))])] : wanted;
    const unknown = wanted.filter((tenant) => !known.includes(tenant));
    for (const tenant of unknown.slice(0, MOST_UNKNOWN))
      problems.push(`tenant ${tenant} owns no rows and is not named in the plan`);
    if (unknown.length > MOST_UNKNOWN) problems.push(`and ${unknown.length - MOST_UNKNOWN} more tenants that own none`);
    const bytes = Buffer.byteLength(JSON.stringify(scope));
    if (bytes > MOST_SCOPE_BYTES) {
      problems.push(
        `the ids of ${scope.length} tenants take ${bytes} bytes, more than the ${MOST_SCOPE_BYTES} that one execution carries; name some of them with --tenant, or those of a --region`,
      );
      return [NO_TENANT];
    }
    return scope.length === 0 ? [NO_TENANT] : scope;
  } catch (error) {
    if (error instanceof PlanMismatch) return wanted.length === 0 ? [NO_TENANT] : wanted;
    throw error;
  }
}

/** The schema goes with the last of them: also a tenant that owns no row any more is turned off first. */
async function exposedOf(deps: Deps, { from }: MachineInput): Promise<readonly string[]> {
  if (from !== 'schema') return [];
  return (await deps.documents.list('tenant')).flatMap(({ id, value }) => (value.on && id !== NO_TENANT ? [id] : []));
}

/** `region:eu` stands for the tenants that the plan puts there. */
function expandRegions(deps: Deps, scope: readonly string[], problems: string[]): readonly string[] {
  const tenants = scope.flatMap((entry) => {
    if (!entry.startsWith(REGION_PREFIX)) return [entry];
    const region = entry.slice(REGION_PREFIX.length);
    const members = deps.plan.tenants.known.filter((tenant) => tenant.region === region).map(({ id }) => id);
    if (members.length === 0) problems.push(`the plan puts no tenant into region ${region}`);
    return members;
  });
  return [...new Set(tenants)];
}

/** The phase's window opens with the first real run that its entry gates let in: a refused start uses up no time of it. */
async function openMachine(deps: Deps, run: Run): Promise<void> {
  if (run.dryRun) return;
  const stored = await deps.documents.get('machine', run.machine);
  if (stored === undefined || stored.value.openedAt !== undefined) return;
  await deps.documents.put('machine', run.machine, { ...stored.value, openedAt: run.startedAt }, stored.version);
}

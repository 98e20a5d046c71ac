/** Step `check-pools`: connections, isolation, versions, roles and limits of both stores. What was found is kept as `progress/baseline`. */
import { STORES, type StoreName } from '../../../domain/direction.ts';
import { judgeGate } from '../../../domain/gate.ts';
import { judgePools, type RoleFacts, roleProblems, type ServerFacts } from '../../../domain/pool-rule.ts';
import { ROLE_GROUPS, ROLE_PURPOSES } from '../../../plan/stores.ts';
import { SqlError } from '../../../ports/sql.ts';
import {
  type RoleIsolationRow,
  roleIsolation,
  type SessionRow,
  sessionSettings,
} from '../../../sql/baseline/role-settings.ts';
import { type ServerFactsRow, serverFacts } from '../../../sql/baseline/server-facts.ts';
import type { Deps } from '../../deps.ts';
import { judged, type Step } from '../step.ts';

/** Progress document of what baseline learned of the stores. */
export const BASELINE_WORK = 'baseline';

export const checkPools: Step = async (deps, run) => {
  const { plan, clock } = deps;
  const facts = { legacy: await readFacts(deps, 'legacy'), target: await readFacts(deps, 'target') };
  const { roles, unreachable } = await readRoles(deps);
  const isolated = await applicationIsolation(deps);
  const problems = [
    ...unreachable,
    ...isolated,
    ...roleProblems(roles, {
      applicationRoles: plan.applicationRoles,
      dev: plan.environment === 'dev',
      targetTimeoutMs: plan.targetTimeout,
    }),
  ];
  const now = clock.now();
  const gates = [
    ...judgePools(facts, { ...plan.pools, isolation: plan.isolation }, now),
    judgeGate(
      {
        gate: 'roles',
        value: problems.length,
        threshold: 0,
        comparison: 'equals',
        source: 'session_user and settings of each role in both stores',
        measuredAt: now,
        details: problems,
      },
      now,
    ),
  ];
  if (!run.dryRun) {
    const state = { stores: facts, roles };
    await deps.documents.put('progress', BASELINE_WORK, { work: BASELINE_WORK, state, at: now.toISOString() }, 'any');
  }
  return judged(gates, { notes: describeFacts(deps, facts, roles) });
};

async function readFacts(deps: Deps, store: StoreName): Promise<ServerFacts> {
  const [row] = await deps.databases.open(store, 'compare').query<ServerFactsRow>(serverFacts);
  if (row === undefined) throw new RangeError(`${store} does not list its own database in pg_database`);
  return {
    version: row.version,
    maxConnections: row.max_connections,
    reserved: row.reserved,
    used: Number(row.used),
    isolation: row.isolation,
    encoding: row.encoding,
    collation: row.collation,
    standby: row.standby,
    encrypted: row.encrypted,
    replicas: Number(row.replicas),
    replicaLagMs: row.replica_lag_ms,
  };
}

async function readRoles(
  deps: Deps,
): Promise<{ readonly roles: readonly RoleFacts[]; readonly unreachable: readonly string[] }> {
  const roles: RoleFacts[] = [];
  const unreachable: string[] = [];
  for (const store of STORES) {
    for (const purpose of ROLE_PURPOSES) {
      try {
        const [row] = await deps.databases.open(store, purpose).query<SessionRow>(sessionSettings);
        if (row === undefined) continue;
        roles.push({
          store,
          purpose,
          group: ROLE_GROUPS[purpose],
          ...row,
          statementTimeoutMs: Number(row.statement_timeout),
        });
      } catch (error) {
        if (!(error instanceof SqlError) || error.kind !== 'configuration') throw error;
        unreachable.push(`${purpose} on ${store} cannot log in: ${error.message}`);
      }
    }
  }
  return { roles, unreachable };
}

/** A role's own setting overrides the database's, so each role that applications use is looked at. */
async function applicationIsolation(deps: Deps): Promise<readonly string[]> {
  const { applicationRoles, isolation } = deps.plan;
  if (applicationRoles.length === 0) return [];
  const problems: string[] = [];
  for (const store of STORES) {
    const rows = await deps.databases.open(store, 'compare').query<RoleIsolationRow>(roleIsolation(applicationRoles));
    for (const row of rows.filter((setting) => setting.role !== '' && setting.isolation.toUpperCase() !== isolation))
      problems.push(
        `application role ${row.role} works under ${row.isolation} on ${store}; the plan says ${isolation}`,
      );
  }
  return problems;
}

function describeFacts(
  deps: Deps,
  facts: Readonly<Record<StoreName, ServerFacts>>,
  roles: readonly RoleFacts[],
): readonly string[] {
  const { plan } = deps;
  const notes = STORES.map((store) => {
    const { version, maxConnections, used, encrypted, replicas, replicaLagMs } = facts[store];
    const tls = encrypted === null ? 'TLS state not visible' : encrypted ? 'TLS on' : 'TLS off';
    const reader = plan[store].driver === 'pg' && plan[store].reader !== undefined;
    const replication =
      replicas === 0 && !reader
        ? 'replicas: none configured'
        : `${replicas} replicas${replicaLagMs === null ? '' : `, lag ${Math.round(replicaLagMs)} ms`}`;
    return `${store}: PostgreSQL ${version}, ${used} of ${maxConnections} connections, ${tls}, ${replication}`;
  });
  if (facts.legacy.collation !== facts.target.collation)
    notes.push(
      `the stores order text differently by default (${facts.legacy.collation}, ${facts.target.collation}); Crossfade compares bytewise, applications may see another order`,
    );
  if (facts.target.version < facts.legacy.version)
    notes.push(`the target is older than legacy: ${facts.target.version} and ${facts.legacy.version}`);
  const apply = roles.find(({ purpose, store }) => purpose === 'apply' && store === 'target');
  if (apply !== undefined && plan.environment === 'dev')
    notes.push(
      `apply on the target: statement_timeout ${apply.statementTimeoutMs} ms, the plan wants ${plan.targetTimeout} ms`,
    );
  if (plan.applicationRoles.length === 0)
    notes.push('the plan names no applicationRoles, so nobody checks that Crossfade does not share one');
  return notes;
}

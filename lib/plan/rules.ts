/**
 * Rules between keys, which no single field can judge. They see whatever parts of the plan are well formed, so that one report
 * holds every fault; what needs the catalogue (do the columns exist, do the types fit) is judged at baseline.
 */
import { deviationIssues, type Finding, finding, type PlanPath, type WellFormed } from './findings.ts';
import { targetPool } from './resolve.ts';
import { checkStores } from './store-rules.ts';
import { checkTables } from './table-rules.ts';
import { formatDuration } from './units.ts';

/** Names that stand in the file, also of what is not well formed: a reference to it is no fault of its own. */
export interface WrittenNames {
  readonly tables: readonly string[];
  readonly services: readonly string[];
}

export function checkRules(plan: WellFormed, names: WrittenNames): readonly Finding[] {
  return [
    ...checkStores(plan),
    ...checkPools(plan),
    ...checkTables(plan, names.tables),
    ...checkTenantLabels(plan, names.services),
    ...checkReconcile(plan),
    ...checkRelay(plan),
    ...checkWindows(plan),
    ...(plan.environment === undefined ? [] : deviationIssues(plan, plan.environment)),
  ];
}

function checkPools({ pools }: WellFormed): Finding[] {
  if (pools?.target === undefined || pools.target >= targetPool(pools)) return [];
  return [
    finding(
      ['pools', 'target'],
      `expected at least ${targetPool(pools)} connections: legacy ${pools.legacy} × multiplier ${pools.multiplier} (guide, phase 1); got ${pools.target}`,
    ),
  ];
}

function checkTenantLabels({ tenants, regions }: WellFormed, services: readonly string[]): Finding[] {
  if (tenants === undefined || tenants === 'none' || tenants.known === undefined) return [];
  const { known } = tenants;
  const list = Array.isArray(known)
    ? known.map((tenant, index) => ({ tenant, path: ['tenants', 'known', index] as PlanPath }))
    : Object.entries(known).map(([id, attributes]) => ({
        tenant: { id, ...attributes },
        path: ['tenants', 'known', id] as PlanPath,
      }));
  const seen = new Set<string>();
  return list.flatMap(({ tenant, path }) => {
    const findings: Finding[] = [];
    if (seen.has(tenant.id))
      findings.push(finding([...path, 'id'], 'expected each tenant once; this one is listed before'));
    seen.add(tenant.id);
    if (tenant.region !== undefined && regions !== undefined && !regions.includes(tenant.region)) {
      findings.push(finding([...path, 'region'], `expected one of \`regions\`: ${regions.join(', ')}`));
    }
    tenant.services?.forEach((service, index) => {
      if (!services.includes(service))
        findings.push(finding([...path, 'services', index], 'expected a service that `services` names'));
    });
    return findings;
  });
}

function checkReconcile({ reconcile, relay, tables }: WellFormed): Finding[] {
  if (reconcile === undefined) return [];
  const { cycle, window, fullEvery, gate, chunkRows, splitRows, recheckAfter } = reconcile;
  const findings: Finding[] = [];
  if (window < cycle) {
    findings.push(
      finding(
        ['reconcile', 'window'],
        `expected at least \`reconcile.cycle\` (${formatDuration(cycle)}), or rows between two windows are never compared; got ${formatDuration(window)}`,
      ),
    );
  }
  if (fullEvery > gate.for) {
    findings.push(
      finding(
        ['reconcile', 'fullEvery'],
        `expected at most \`reconcile.gate.for\` (${formatDuration(gate.for)}): the gate needs a full pass in its window; got ${formatDuration(fullEvery)}`,
      ),
    );
  }
  if (cycle > gate.for) {
    findings.push(
      finding(
        ['reconcile', 'cycle'],
        `expected at most \`reconcile.gate.for\` (${formatDuration(gate.for)}); got ${formatDuration(cycle)}`,
      ),
    );
  }
  const often = Object.values(tables ?? {}).map((table) => table.every ?? cycle);
  if (often.length > 0 && Math.min(...often) > cycle) {
    findings.push(
      finding(
        ['reconcile', 'cycle'],
        `expected the interval of the table that is compared most often (${formatDuration(Math.min(...often))}), or every cycle without one counts as missed; got ${formatDuration(cycle)}`,
      ),
    );
  }
  if (splitRows > chunkRows) {
    findings.push(
      finding(['reconcile', 'splitRows'], `expected at most \`reconcile.chunkRows\` (${chunkRows}); got ${splitRows}`),
    );
  }
  if (relay !== undefined && recheckAfter <= relay.poll) {
    findings.push(
      finding(
        ['reconcile', 'recheckAfter'],
        `expected more than \`relay.poll\` (${formatDuration(relay.poll)}), or a row is read again before anything can have come; got ${formatDuration(recheckAfter)}`,
      ),
    );
  }
  return findings;
}

function checkRelay({ relay, backfill }: WellFormed): Finding[] {
  const findings: Finding[] = [];
  if (relay !== undefined && relay.runFor < relay.schedule) {
    findings.push(
      finding(
        ['relay', 'runFor'],
        `expected at least \`relay.schedule\` (${formatDuration(relay.schedule)}), or events wait between two runs; got ${formatDuration(relay.runFor)}`,
      ),
    );
  }
  for (const [section, value] of [
    ['relay', relay],
    ['backfill', backfill],
  ] as const) {
    if (value !== undefined && value.backoff.first > value.backoff.max) {
      findings.push(
        finding(
          [section, 'backoff', 'first'],
          `expected at most \`${section}.backoff.max\` (${formatDuration(value.backoff.max)}); got ${formatDuration(value.backoff.first)}`,
        ),
      );
    }
  }
  return findings;
}

function checkWindows({ windows }: WellFormed): Finding[] {
  return Object.entries(windows ?? {}).flatMap(([phase, { min, max }]) =>
    max === null || min <= max
      ? []
      : [
          finding(
            ['windows', phase, 'min'],
            `expected at most the max of the window (${formatDuration(max)}); got ${formatDuration(min)}`,
          ),
        ],
  );
}

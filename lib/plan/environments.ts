/**
 * Defaults by environment, as data: what the guide's environment matrix says, and the numbers of its five phases. They are
 * written as a plan file writes them, and pass through the same schema as one.
 */
import type { Environment, PlanInput } from './schema.ts';

/** The sections of a plan that may be left out. */
export const DEFAULTED_SECTIONS = [
  'trigger',
  'applicationRoles',
  'pools',
  'isolation',
  'latencyBudget',
  'targetTimeout',
  'baseline',
  'capture',
  'dualWrite',
  'relay',
  'backfill',
  'reconcile',
  'reads',
  'switchover',
  'decommission',
  'windows',
  'approvals',
  'evidence',
  'flags',
  'fence',
  'retention',
  'alarms',
  'encryption',
] as const;
export type PlanDefaults = Pick<PlanInput, (typeof DEFAULTED_SECTIONS)[number]>;

/** What a phase is validated by, a row of the guide's matrix; shown by `plan check`. */
export const VALIDATION_SCOPE: Readonly<Record<Environment, string>> = {
  dev: 'schema diff, unit and integration tests',
  staging: 'load test, parity validation, dry-run execution',
  prod: 'canary rollout, drift monitoring, circuit breakers',
};

const EVERYWHERE = {
  applicationRoles: [],
  isolation: 'READ COMMITTED',
  targetTimeout: '500ms',
  capture: { lockTimeout: '500ms', lockRetries: 20 },
  dualWrite: { steps: [10, 50, 100], stepFor: '15m', lagLimit: '60s', drainWindow: '10m' },
  relay: {
    shards: 2,
    batchRows: 1000,
    poll: '500ms',
    retries: 3,
    backoff: { first: '1s', factor: 4, max: '60s', jitterPercent: 20 },
    lease: '15s',
    suspend: '5s',
    schedule: '1m',
    runFor: '70s',
  },
  backfill: {
    batchRows: 1000,
    batchesPerSecond: 50,
    concurrency: 4,
    conflict: 'legacy_wins_on_timestamp',
    retries: 3,
    backoff: { first: '1s', factor: 4, max: '60s', jitterPercent: 20 },
    statementTimeout: '30s',
    throttle: {
      statement: '2s',
      replicationLag: '10s',
      connectionsPercent: 80,
      deadPercent: 20,
      vacuum: true,
      walMegabytesPerSecond: 128,
    },
  },
  reads: {
    route: '/api/v2/data',
    canaryWeight: 0.1,
    canaryFor: '1h',
    timeout: '200ms',
    failureThreshold: 5,
    breakerOpenFor: '30s',
    soak: '24h',
    shadowPercent: 1,
    shadowDeadline: '60s',
    parity: { concurrency: 50, for: '300s' },
    replicaLagLimit: '1s',
    callers: {},
  },
  switchover: {
    exactPassMaxAge: '6h',
    rehearsalMaxAge: '24h',
    drainTimeout: '2m',
    fenceTimeout: '30s',
    lockTimeout: '500ms',
    lockRetries: 20,
  },
  decommission: { idleFor: '24h', reverseIdleFor: '24h' },
  windows: {
    baseline: { min: '0h', max: '4h' },
    'dual-write': { min: '4h', max: '72h' },
    reconcile: { min: '72h', max: '168h' },
    cutover: { min: '24h', max: '48h' },
    decommission: { min: '0h', max: 'none' },
  },
  evidence: {
    maxAge: {
      baseline: '4h',
      'dual-write': '1h',
      backfill: '24h',
      reconcile: '2h',
      cutover: '1h',
      switchover: '1h',
      decommission: '24h',
    },
  },
  fence: {},
  alarms: { outboxRows: 100_000, outboxAge: '5m' },
  encryption: {},
} as const;

const RECONCILE = {
  cycle: '1h',
  mode: 'checksum',
  digest: 'auto',
  fullEvery: '24h',
  window: '1h',
  limit: 5000,
  dryRunLimit: 2000,
  chunkRows: 5000,
  splitRows: 100,
  // Ten statements: a call reads the catalogues and its cycle before the first, which takes as long as one.
  chunksPerBatch: 100,
  concurrency: 10,
  recheckAfter: '5s',
  haltDriftPercent: 1,
  alert: { driftPercent: 0.01, cycles: 5 },
  gate: { driftPercent: 0.001, for: '72h', minimumRows: 100_000 },
} as const;

/** 0 failures of n writes prove a rate of about 3/n at 95 %, so 30 000 writes prove the guide's 0.01 %. */
const BASELINE = {
  errorRatePercent: 0.01,
  probeFor: '30m',
  probeWrites: 30_000,
  loadTest: false,
  loadTestFor: '10m',
} as const;

const BY_ENVIRONMENT = {
  dev: {
    trigger: 'manual',
    pools: { legacy: 50, multiplier: 1 },
    latencyBudget: 'none',
    baseline: { ...BASELINE, probeFor: '5m', probeWrites: 10_000 },
    reconcile: { ...RECONCILE, missedCycle: 'pause', repair: { automatic: true, capRows: 10_000 } },
    approvals: { machines: [], expiry: '24h', notByRequester: false },
    flags: { poll: '15s', ramp: '0s', bake: '0s', stepPercent: 100 },
    retention: { logs: '7d', evidence: '90d', outbox: '1d', appliedLog: '7d', queues: '14d' },
  },
  staging: {
    trigger: 'ci',
    pools: { legacy: 50, multiplier: 1.25 },
    latencyBudget: '50ms',
    baseline: { ...BASELINE, loadTest: true },
    reconcile: { ...RECONCILE, missedCycle: 'pause', repair: { automatic: true, capRows: 10_000 } },
    approvals: { machines: ['switchover', 'decommission'], expiry: '24h', notByRequester: true },
    flags: { poll: '30s', ramp: '2m', bake: '2m', stepPercent: 50 },
    retention: { logs: '30d', evidence: '400d', outbox: '3d', appliedLog: '14d', queues: '14d' },
  },
  prod: {
    trigger: 'change-window',
    pools: { legacy: 50, multiplier: 1.5 },
    latencyBudget: '20ms',
    baseline: BASELINE,
    reconcile: { ...RECONCILE, missedCycle: 'restart', repair: { automatic: false, capRows: 1_000 } },
    approvals: {
      machines: ['dual-write', 'reconcile', 'cutover', 'switchover', 'decommission'],
      expiry: '24h',
      notByRequester: true,
    },
    flags: { poll: '30s', ramp: '20m', bake: '10m', stepPercent: 10 },
    retention: { logs: '90d', evidence: '3653d', outbox: '7d', appliedLog: '30d', queues: '14d' },
  },
} as const;

/** Every default of one environment, in the form of a plan file. */
export function resolvedDefaults(environment: Environment): PlanDefaults {
  // The constants are readonly all the way down, the schema's input type is not; a copy is handed out, so nobody can change them.
  return structuredClone({ ...EVERYWHERE, ...BY_ENVIRONMENT[environment] }) as unknown as PlanDefaults;
}

/** `raw` over the defaults: mappings are merged key by key (a section with nothing in it is its defaults), everything else (lists too) is taken as written. */
export function withDefaults(
  raw: Readonly<Record<string, unknown>>,
  environment: Environment,
): Record<string, unknown> {
  return merge(resolvedDefaults(environment), raw);
}

function merge(
  defaults: Readonly<Record<string, unknown>>,
  written: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged = new Map<string, unknown>(Object.entries(defaults));
  for (const [key, value] of Object.entries(written)) {
    const standing = Object.hasOwn(defaults, key) ? defaults[key] : undefined;
    const section = isMapping(standing) && value === null ? {} : value;
    merged.set(key, isMapping(standing) && isMapping(section) ? merge(standing, section) : value);
  }
  // fromEntries defines own properties, so a key such as __proto__ stays a key.
  return Object.fromEntries(merged);
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

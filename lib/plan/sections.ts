/**
 * The numbers of the phases, one section a topic; those of running a migration are in running-sections.ts. Every key here has a default for each environment (environments.ts), so each is
 * required in the parsed plan unless it is marked optional.
 */
import { z } from 'zod';
import { DAILY_WINDOW_FORM, parseDailyWindow } from './daily-window.ts';
import { choice, count, duration, durationOrNone, flag, percent, share, text } from './fields.ts';

export const ISOLATION_LEVELS = ['READ COMMITTED', 'REPEATABLE READ'] as const;
export const DIGEST_WISHES = ['auto', 'fast', 'exact', 'md5'] as const;
export const RECONCILE_MODES = ['count', 'checksum', 'columns'] as const;
export const CONFLICT_RULES = ['legacy_wins_on_timestamp'] as const;
export const MISSED_CYCLE_RULES = ['restart', 'pause'] as const;

const lockTimeout = duration('longest wait for a lock of a DDL statement; writers queue behind it', {
  min: '1ms',
  max: '10s',
});
const lockRetries = count('attempts at such a lock before the step fails', 1, 1_000);

const backoffSchema = z
  .strictObject({
    first: duration('wait before the first retry', { min: '1ms', max: '15m' }),
    factor: count('each further wait is this many times longer', 1, 10),
    max: duration('longest wait (an SQS message can wait 15m)', { min: '1ms', max: '15m' }),
    jitterPercent: percent('part of the wait that is random'),
  })
  .meta({ description: 'exponential backoff with jitter' });

export const poolsSchema = z
  .strictObject({
    legacy: count('connections of the legacy pool today', 1, 10_000),
    target: count('connections of the target pool; absent: legacy × multiplier, rounded up', 1, 20_000).optional(),
    multiplier: z
      .number({ error: 'expected a number from 1 to 10' })
      .min(1, { error: 'expected a number from 1 to 10' })
      .max(10, { error: 'expected a number from 1 to 10' })
      .meta({ description: 'target pool ÷ legacy pool, at least', 'x-unit': 'times' }),
  })
  .meta({ description: 'connection pools (guide, environment matrix and phase 1)' });

export const baselineSchema = z
  .strictObject({
    errorRatePercent: percent('the gate passes below this share of failed probe writes'),
    probeFor: duration('time over which the probe writes are spread', { min: '1s', max: '4h' }),
    probeWrites: count('probe writes, each rolled back', 1, 10_000_000),
    loadTest: flag('drive the target pool to saturation (staging)'),
    loadTestFor: duration('length of the load test', { min: '1s', max: '4h' }),
  })
  .meta({ description: 'phase 1' });

export const captureSchema = z
  .strictObject({ lockTimeout, lockRetries })
  .meta({ description: 'installing capture, online' });

export const dualWriteSchema = z
  .strictObject({
    steps: z
      .array(percent('share of the tenants'), { error: 'expected a list of percentages' })
      .min(1, { error: 'expected at least one step' })
      .refine((steps) => steps.at(-1) === 100 && steps.every((step, index) => step > (steps[index - 1] ?? 0)), {
        error: 'expected percentages that rise and end at 100',
      })
      .meta({ description: 'shares of the scope that are exposed one after the other', 'x-unit': 'percent' }),
    stepFor: duration('time between two steps', { min: '1s', max: '72h' }),
    lagLimit: duration(
      'oldest undelivered event that the gate lets pass; a row in flight for longer is neither clean nor drift',
      { min: '1s', max: '24h' },
    ),
    drainWindow: duration('window over which drain rate and legacy write rate are compared', { min: '1s', max: '24h' }),
  })
  .meta({ description: 'phase 2, exposure' });

export const relaySchema = z
  .strictObject({
    shards: count('hash shards, each with its lease', 1, 256),
    batchRows: count('events claimed at once', 1, 10_000),
    poll: duration('longest pause between two polls', { min: '10ms', max: '1m' }),
    retries: count('retries of one event after its first try, then the dead-letter queue', 0, 20),
    backoff: backoffSchema,
    lease: duration('lease of a shard; a dead relay is replaced after it', { min: '1s', max: '5m' }),
    suspend: duration('pause of claiming while a store is down or resuming', { min: '100ms', max: '5m' }),
    schedule: duration('interval at which EventBridge starts a relay', { min: '1m', max: '1h', step: '1m' }),
    runFor: duration('time for which a started relay goes on; longer than `schedule`, so that one follows the other', {
      min: '1s',
      max: '14m',
    }),
  })
  .meta({ description: 'phase 2, delivery' });

export const reconcileSchema = z
  .strictObject({
    cycle: duration(
      'interval of cycles; EventBridge fires at whole minutes, so shorter ones need a starter of their own',
      { min: '1s', max: '24h' },
    ),
    mode: choice(
      'how rows are compared; `count` runs no drift clock, so phase 3 never passes with it',
      RECONCILE_MODES,
    ),
    digest: choice(
      'form of the digest; `auto` is fast, and exact outside of windows for tables in which the fast form is blind to something (`jsonb`)',
      DIGEST_WISHES,
    ),
    fullEvery: duration('interval of full passes; the others compare the window', { min: '1s', max: '7d' }),
    window: duration('reach back of the window scope; not shorter than `cycle`', { min: '1s', max: '7d' }),
    limit: count(
      'rows that a window or a sample compares where no --limit is given; the scheduled cycle has no limit',
      1,
      100_000,
    ),
    dryRunLimit: count('rows that a dry run compares', 1, 1_000_000),
    chunkRows: count('rows a chunk', 10, 1_000_000),
    splitRows: count('a differing chunk is split down to this many rows in the database', 1, 10_000),
    chunksPerBatch: count('chunks that one function call compares', 1, 1_000),
    concurrency: count('function calls that compare at once', 1, 1_000),
    recheckAfter: duration(
      'time between two reads of a row that differs; more than `relay.poll`, or nothing can have come meanwhile',
      {
        min: '10ms',
        max: '1h',
      },
    ),
    missedCycle: choice('what a missed or failed cycle does to the clock of the gate', MISSED_CYCLE_RULES),
    haltDriftPercent: percent('drift at which the migration halts'),
    alert: z
      .strictObject({
        driftPercent: percent('alert when drift is above this …'),
        cycles: count('… for so many consecutive cycles', 1, 1_000),
      })
      .meta({ description: 'drift alert' }),
    gate: z
      .strictObject({
        driftPercent: percent('the gate passes while drift is below this …'),
        for: duration('… for so long without a break', { min: '1s', max: '30d' }),
        minimumRows: count('with fewer rows covered, the gate asks for no drift at all', 0, 1_000_000_000),
      })
      .meta({ description: 'drift gate' }),
    repair: z
      .strictObject({
        automatic: flag(
          'cycles repair the drift that they prove; what needs an approval they leave as a plan for `repair run`',
        ),
        capRows: count(
          'rows of a repair above which a person decides, whatever `approvals.machines` says',
          0,
          10_000_000,
        ),
      })
      .meta({ description: 'repair of drift' }),
  })
  .meta({ description: 'phase 3, comparison' });

export const backfillSchema = z
  .strictObject({
    batchRows: count('rows a batch (the guide’s batch_size)', 1, 10_000),
    batchesPerSecond: count(
      'batches a second (the guide’s rate_limit_qps), over all workers; times batchRows are rows a second',
      1,
      10_000,
    ),
    concurrency: count('workers that copy at once', 1, 100),
    conflict: choice('which side wins', CONFLICT_RULES),
    retries: count('retries of a batch', 0, 20),
    backoff: backoffSchema,
    statementTimeout: duration('limit of one statement of the backfill role', { min: '100ms', max: '45s' }),
    offPeak: z
      .string({ error: `expected ${DAILY_WINDOW_FORM}` })
      .transform((window, context) => {
        try {
          return parseDailyWindow(window);
        } catch (error) {
          context.addIssue({
            code: 'custom',
            message: error instanceof Error ? error.message : String(error),
            input: window,
          });
          return z.NEVER;
        }
      })
      .meta({ description: 'copy only in this daily window; absent: at any time', 'x-unit': 'daily window' })
      .optional(),
    throttle: z
      .strictObject({
        statement: durationOrNone('smoothed time of its own write statements'),
        replicationLag: durationOrNone('lag of the slowest replica of the target; the only limit that pauses'),
        connectionsPercent: percent('connections in use, of those that are not reserved'),
        deadPercent: percent('dead rows, of the worst table that is written'),
        vacuum: flag('half the rate while vacuum works on a table that is written'),
        walMegabytesPerSecond: count('WAL that the target writes, MiB a second', 1, 100_000),
      })
      .meta({ description: 'from these on the copy slows down by steps: 1/2, 1/4, 1/8 of its rate' }),
  })
  .meta({ description: 'phase 3, history' });

export const readsSchema = z
  .strictObject({
    route: text('path of the read route', /^(\/[A-Za-z0-9._-]+)+$/, 'an absolute path, such as /api/v2/data'),
    canaryWeight: share('first share of reads that the target answers'),
    canaryFor: duration('time at the canary weight before 100 %', { min: '1s', max: '48h' }),
    timeout: duration('limit of a read on the target before legacy answers', { min: '1ms', max: '10s' }),
    failureThreshold: count('consecutive failures that open the breaker', 1, 1_000),
    breakerOpenFor: duration('time until one probe may close the breaker', { min: '100ms', max: '1h' }),
    soak: duration('time at 100 % without a fallback before the gate passes', { min: '1s', max: '7d' }),
    shadowPercent: percent('share of reads that are compared off the response path'),
    shadowDeadline: duration('shadow reads older than this are dropped', { min: '1s', max: '1h' }),
    parity: z
      .strictObject({
        concurrency: count('synthetic reads at once', 1, 1_000),
        for: duration('length of the synthetic read test', { min: '1s', max: '1h' }),
      })
      .meta({ description: 'synthetic reads against both stores before the canary' }),
    replicaLagLimit: duration('lag at which a read replica is not used', { min: '0s', max: '1h' }),
    callers: z
      .record(
        z.string().regex(/^(\*|arn:[^\s]+)$/, {
          error: 'expected the ARN of an IAM principal, in which * stands for anything',
        }),
        z.union([z.literal('*'), z.array(z.string({ error: 'expected a tenant id as text' }))], {
          error: 'expected "*" or a list of tenant ids',
        }),
        { error: 'expected a mapping of principal ARN to tenants' },
      )
      .meta({ description: 'which tenants each caller may read; nobody else may read any' }),
  })
  .meta({ description: 'phase 4, reads' });

export const switchoverSchema = z
  .strictObject({
    exactPassMaxAge: duration('age of the full exact pass', { min: '1s', max: '7d' }),
    rehearsalMaxAge: duration('age of the rehearsed rollback', { min: '1s', max: '30d' }),
    drainTimeout: duration('longest drain behind the fence; then legacy is unfenced again', { min: '1s', max: '1h' }),
    fenceTimeout: duration('longest wait for writers that are already in', { min: '100ms', max: '10m' }),
    lockTimeout,
    lockRetries,
  })
  .meta({ description: 'phase 4, write authority' });

export const decommissionSchema = z
  .strictObject({
    idleFor: duration('time with no connection of an application to legacy', { min: '1s', max: '90d' }),
    reverseIdleFor: duration('time with an empty reverse outbox before it is retired', { min: '1s', max: '90d' }),
  })
  .meta({ description: 'phase 5' });

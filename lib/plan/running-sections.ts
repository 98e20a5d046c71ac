/** The numbers of running a migration: windows, approvals, evidence, flags, retention, alarms. Each has a default in environments.ts. */
import { z } from 'zod';
import { FORWARD_MACHINES, type ForwardMachine, PHASES, type Phase } from '../domain/phase.ts';
import { choice, count, duration, durationOrNone, flag, listOf, percent, text } from './fields.ts';

export const TRIGGERS = ['manual', 'ci', 'change-window'] as const;

/** Days that CloudWatch Logs accepts as retention. */
export const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const windowOf = (phase: string) =>
  z
    .strictObject({
      min: duration('least time in the phase'),
      max: durationOrNone('most time in the phase; past it `status` and `doctor` say so'),
    })
    .meta({ description: `compatibility window of ${phase}` });

export const windowsSchema = z
  .strictObject(recordOf(PHASES, windowOf))
  .meta({ description: 'compatibility windows of the guide' });

/** Machines that change what applications see; `baseline` and `backfill` do not, and ask nobody. */
export const APPROVABLE_MACHINES = [
  'dual-write',
  'reconcile',
  'cutover',
  'switchover',
  'decommission',
  'rollback',
] as const;

export const approvalsSchema = z
  .strictObject({
    machines: listOf(
      'machines that wait for an approval; `reconcile`: its repairs, of any size (its cycles ask nobody)',
      choice('machine', APPROVABLE_MACHINES),
    ),
    expiry: duration('an approval that nobody gave lapses', { min: '1m', max: '30d' }),
    notByRequester: flag('the person who started the machine may not approve it'),
  })
  .meta({ description: 'approvals by task token' });

export const evidenceSchema = z
  .strictObject({
    maxAge: z.strictObject(
      recordOf(FORWARD_MACHINES, (machine) =>
        duration(`evidence for the gates of ${machine}`, { min: '1s', max: '30d' }),
      ),
    ),
  })
  .meta({ description: 'age at which evidence no longer counts' });

export const flagsSchema = z
  .strictObject({
    poll: duration('interval at which AppConfig is asked', { min: '15s', max: '24h', step: '1s' }),
    ramp: duration('time over which a change of a flag reaches all readers', { min: '0s', max: '24h', step: '1m' }),
    bake: duration('time for which alarms may still take it back', { min: '0s', max: '24h', step: '1m' }),
    stepPercent: percent('readers that each step of the ramp adds'),
  })
  .meta({ description: 'feature flags' });

export const fenceSchema = z
  .strictObject({
    ownerRole: text(
      'database role that may write columns with `owner: target` past the fence',
      /^[^\p{Cc}"]{1,63}$/u,
      'the name of a database role',
    ).optional(),
  })
  .meta({ description: 'fence of the target' });

export const retentionSchema = z
  .strictObject({
    logs: duration('log groups; a number of days that CloudWatch accepts').refine(
      (milliseconds) => (LOG_RETENTION_DAYS as readonly number[]).includes(milliseconds / 86_400_000),
      { error: `expected a retention that CloudWatch has, in days: ${LOG_RETENTION_DAYS.join(', ')}` },
    ),
    evidence: duration('evidence log, cycle log, archives', { min: '1d', max: '3653d' }),
    outbox: duration('outbox rows that are done', { min: '1m', max: '365d' }),
    appliedLog: duration('applied log: the time in which a write can be undone by its correlation id', {
      min: '1m',
      max: '365d',
    }),
    queues: duration('messages of the dead-letter queues (an SQS message lives 14d at most)', {
      min: '1h',
      max: '14d',
    }),
  })
  .meta({ description: 'how long records are kept' });

export const alarmsSchema = z
  .strictObject({
    topicArn: text(
      'SNS topic that alarms go to',
      /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}$/,
      'the ARN of an SNS topic',
    ).optional(),
    outboxRows: count('undelivered events at which an alarm fires', 1, 1_000_000_000),
    outboxAge: duration('age of the oldest undelivered event at which an alarm fires', { min: '1s', max: '7d' }),
  })
  .meta({ description: 'alarms' });

export const encryptionSchema = z
  .strictObject({
    kmsKeyArn: text(
      'key for all that Crossfade stores; absent: a key of its own',
      /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/,
      'the ARN of a KMS key',
    ).optional(),
  })
  .meta({ description: 'encryption at rest' });

function recordOf<const Names extends readonly (Phase | ForwardMachine)[], Value>(
  names: Names,
  make: (name: Names[number]) => Value,
) {
  // Object.fromEntries forgets the names that it was given.
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Names[number], Value>;
}

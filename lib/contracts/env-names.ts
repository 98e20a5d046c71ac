/** Environment variables that the CDK app sets and functions read; no others are read in production code. */
export const ENV = {
  controlTable: 'CROSSFADE_CONTROL_TABLE',
  bucket: 'CROSSFADE_BUCKET',
  forwardRetryQueue: 'CROSSFADE_FORWARD_RETRY_QUEUE',
  forwardDeadQueue: 'CROSSFADE_FORWARD_DEAD_QUEUE',
  reverseRetryQueue: 'CROSSFADE_REVERSE_RETRY_QUEUE',
  reverseDeadQueue: 'CROSSFADE_REVERSE_DEAD_QUEUE',
  flagsApplication: 'CROSSFADE_FLAGS_APPLICATION',
  flagsEnvironment: 'CROSSFADE_FLAGS_ENVIRONMENT',
  flagsProfile: 'CROSSFADE_FLAGS_PROFILE',
  flagsStrategy: 'CROSSFADE_FLAGS_STRATEGY',
  /** ARN prefix of the machines: `<prefix><machine>` is a machine's ARN. */
  machinePrefix: 'CROSSFADE_MACHINE_PREFIX',
  /** Name of the relay function, woken when a tenant is exposed (a hint; the schedule is the guarantee). */
  relayFunction: 'CROSSFADE_RELAY_FUNCTION',
  alarmTopic: 'CROSSFADE_ALARM_TOPIC',
  /** Names of the two stacks, joined by a comma: protected against `cdk destroy` while a migration is under way. */
  stacks: 'CROSSFADE_STACKS',
  /** Host of the RDS Proxy before a `pg` store, where the plan asks for one; absent: the store's own host. */
  legacyProxyHost: 'CROSSFADE_LEGACY_PROXY_HOST',
  targetProxyHost: 'CROSSFADE_TARGET_PROXY_HOST',
} as const;

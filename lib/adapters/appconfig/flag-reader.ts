/**
 * Reads the deployed flags by appconfigdata. A token serves one call: after any error the session is dropped, because the service
 * may have consumed it unseen, and the last good value stays in force (unknown is not off).
 */
import {
  type AppConfigDataClient,
  GetLatestConfigurationCommand,
  StartConfigurationSessionCommand,
} from '@aws-sdk/client-appconfigdata';
import { fromFlagValues } from '../../contracts/flags-document.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FlagReader, FlagsVersion } from '../../ports/flags.ts';
import type { Log } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';

export interface FlagReaderOptions {
  readonly client: AppConfigDataClient;
  readonly application: string;
  readonly environment: string;
  readonly profile: string;
  /** Plan: `flags.poll`. */
  readonly pollMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface PollingFlagReader extends FlagReader {
  /** The next read asks AppConfig in a new session, whatever the interval. */
  forget(): void;
}

/** Least interval that a session may state. */
const MIN_POLL_SECONDS = 15;
/** While AppConfig fails and a last good value serves. */
const RETRY_MS = 5_000;

export function createFlagReader(options: FlagReaderOptions): PollingFlagReader {
  const { client, clock, pollMs } = options;
  let token: string | undefined;
  let known: FlagsVersion | undefined;
  let askAgainAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  const startSession = async (): Promise<string | undefined> => {
    const { InitialConfigurationToken } = await client.send(
      new StartConfigurationSessionCommand({
        ApplicationIdentifier: options.application,
        EnvironmentIdentifier: options.environment,
        ConfigurationProfileIdentifier: options.profile,
        RequiredMinimumPollIntervalInSeconds: Math.max(MIN_POLL_SECONDS, Math.floor(pollMs / 1000)),
      }),
    );
    return InitialConfigurationToken;
  };
  const ask = async (): Promise<void> => {
    try {
      const ConfigurationToken = token ?? (await startSession());
      token = undefined;
      const answer = await client.send(new GetLatestConfigurationCommand({ ConfigurationToken }));
      const text = answer.Configuration === undefined ? '' : new TextDecoder().decode(answer.Configuration);
      // Empty: unchanged since the last answer of this session.
      if (text !== '') {
        const { flags, revision } = fromFlagValues(JSON.parse(text));
        known = { version: revision, flags };
      }
      token = answer.NextPollConfigurationToken;
      askAgainAt = clock.now().getTime() + pollMs;
    } catch (error) {
      token = undefined;
      askAgainAt = clock.now().getTime() + (known === undefined ? 0 : Math.min(RETRY_MS, pollMs));
      options.metrics.record('flagFallback', 1);
      options.log.warn('flags cannot be read from AppConfig; nothing changes until they can', {
        reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
        versionInForce: known?.version ?? null,
      });
    }
  };
  return {
    read: async () => {
      if (clock.now().getTime() >= askAgainAt) {
        asking ??= ask().finally(() => {
          asking = undefined;
        });
        await asking;
      }
      return known;
    },
    forget: () => {
      token = undefined;
      askAgainAt = Number.NEGATIVE_INFINITY;
    },
  };
}

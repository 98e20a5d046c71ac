/** Starts a relay run without waiting for it. A hint only: the schedule is the guarantee, so a failure is logged and forgotten. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { Direction } from '../../domain/direction.ts';
import type { Log } from '../../ports/logger.ts';

export function createRelayWaker(
  client: LambdaClient,
  functionName: string,
  log: Log,
): (direction: Direction) => Promise<void> {
  return async (direction) => {
    try {
      await client.send(
        new InvokeCommand({
          FunctionName: functionName,
          InvocationType: 'Event',
          Payload: JSON.stringify({ direction, wake: true }),
        }),
      );
    } catch (error) {
      log.warn('the relay could not be woken; its schedule starts it', {
        direction,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  };
}

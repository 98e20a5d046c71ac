/** The shell of every function, and the small adapters that only it uses. */
import { type InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { describe, expect, test } from 'vitest';
import { buildDeps, type LambdaDeps } from '../../lambdas/shared/deps.ts';
import { createHandler, nameForStates } from '../../lambdas/shared/handler.ts';
import { createRelayWaker } from '../../lib/adapters/lambda/wake-relay.ts';
import { createPowertoolsLog } from '../../lib/adapters/logger/powertools-log.ts';
import { createMemoryLog } from '../../lib/adapters/memory/log.ts';
import { createMemoryMetrics } from '../../lib/adapters/memory/metrics.ts';
import { TRANSIENT_ERROR } from '../../lib/contracts/error-names.ts';
import { fromFlagValues, INITIAL_FLAGS, toFlagsDocument } from '../../lib/contracts/flags-document.ts';
import { VersionConflict } from '../../lib/ports/documents.ts';
import { SqlError } from '../../lib/ports/sql.ts';

describe('a function', () => {
  test('hands on the answer and flushes its metrics', async () => {
    const { deps, metrics } = fakeDeps();
    const handler = createHandler<{ step: string }, string>(
      async ({ metrics: recorded }, { step }) => {
        recorded.record('delivered', 1);
        return `did ${step}`;
      },
      () => deps,
    );

    expect(await handler({ step: 'copy' }, {})).toBe('did copy');
    expect(metrics.flushed).toHaveLength(1);
  });

  test.each([
    ['a deadlock', new SqlError('deadlock', { kind: 'transient', sqlState: '40P01' }), TRANSIENT_ERROR],
    ['a store that is down', new SqlError('down', { kind: 'unavailable' }), TRANSIENT_ERROR],
    ['a lost race for a document', new VersionConflict('run', '1', 3), TRANSIENT_ERROR],
    ['a throttled AWS call', Object.assign(new Error('slow down'), { name: 'ThrottlingException' }), TRANSIENT_ERROR],
    ['a failed AWS call', Object.assign(new Error('500'), { $fault: 'server' }), TRANSIENT_ERROR],
    ['a lost socket', Object.assign(new Error('reset'), { code: 'ECONNRESET' }), TRANSIENT_ERROR],
    ['a value that no column takes', new SqlError('bad', { kind: 'permanent', sqlState: '22P02' }), 'SqlError'],
    ['a wrong secret', new SqlError('secret', { kind: 'configuration' }), 'SqlError'],
    ['a mistake of ours', new TypeError('undefined is not a function'), 'TypeError'],
  ])('%s reaches Step Functions as %#', async (_what, error, name) => {
    const { deps, metrics } = fakeDeps();
    const handler = createHandler(
      async ({ metrics: recorded }) => {
        recorded.record('stepFailed', 1);
        throw error;
      },
      () => deps,
    );

    await expect(handler({}, {})).rejects.toMatchObject({ name });
    expect(metrics.flushed).toHaveLength(1);
  });

  test('what is thrown and no error becomes one', () => {
    expect(nameForStates('text')).toMatchObject({ name: 'Error', message: 'text' });
  });

  test('lines carry ids of the event and no untrusted text', async () => {
    const { deps, contexts } = fakeDeps();
    const handler = createHandler(
      async () => null,
      () => deps,
    );

    await handler(
      { step: 'copy', run: { execution: 'arn:1' }, taskToken: 'secret', headers: { 'x-correlation-id': 'c-1' } },
      { awsRequestId: 'r' },
    );
    await handler({ headers: { 'x-correlation-id': 'x\n"forged"' } }, { awsRequestId: 'r' });

    expect(contexts[0]).toMatchObject({ requestId: 'r', step: 'copy', execution: 'arn:1', correlationId: 'c-1' });
    expect(contexts[1]).toMatchObject({ correlationId: 'xforged' });
    expect(JSON.stringify(contexts)).not.toContain('secret');
  });
});

describe('the log', () => {
  test('withholds what is named like a credential', () => {
    const lines: unknown[] = [];
    const logger = Object.fromEntries(
      ['debug', 'info', 'warn', 'error'].map((level) => [
        level,
        (_message: string, fields: unknown) => lines.push(fields),
      ]),
    );
    const log = createPowertoolsLog('test', logger as never);

    log.info('m', { taskToken: 'a', Password: 'b', secretArn: 'arn', tenant: 'acme' });

    expect(lines).toEqual([{ taskToken: '(withheld)', Password: '(withheld)', secretArn: 'arn', tenant: 'acme' }]);
  });
});

describe('waking the relay', () => {
  test('is an asynchronous invocation with the direction', async () => {
    const sent: InvokeCommand['input'][] = [];
    const client = new LambdaClient({ region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
    client.middlewareStack.add(
      () => async (args) => {
        sent.push(args.input as InvokeCommand['input']);
        return { output: { $metadata: {} }, response: undefined };
      },
      { step: 'initialize' },
    );

    await createRelayWaker(client, 'relay', createMemoryLog())('reverse');

    expect(sent).toEqual([
      { FunctionName: 'relay', InvocationType: 'Event', Payload: '{"direction":"reverse","wake":true}' },
    ]);
  });

  test('never throws', async () => {
    const log = createMemoryLog();
    const client = new LambdaClient({
      endpoint: 'http://127.0.0.1:1',
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
    });

    await createRelayWaker(client, 'relay', log)('forward');

    expect(log.lines).toMatchObject([{ level: 'warn', fields: { direction: 'forward' } }]);
  });
});

describe('flags as AppConfig content', () => {
  const flags = {
    ...INITIAL_FLAGS,
    dual_write: { ...INITIAL_FLAGS.dual_write, enabled: true, tenants: ['a'], percent: 0.5 },
  };

  test('come back as they were, with their revision', () => {
    expect(fromFlagValues(toFlagsDocument(flags, 7).values)).toEqual({ flags, revision: 7 });
  });

  test('a disabled flag keeps its salt and tenants, even where only `enabled` is served', () => {
    const off = { ...flags, dual_write: { ...flags.dual_write, enabled: false, salt: 's' } };
    const values = toFlagsDocument(off, 8).values;

    const served = { ...values, dual_write: { enabled: false } };

    expect(fromFlagValues(served)).toEqual({ flags: off, revision: 8 });
  });

  test.each([
    ['nothing', {}],
    ['no record', { dual_write: { enabled: true }, target_reads: { enabled: true } }],
    ['a missing flag', { crossfade: { enabled: true, revision: 1 }, dual_write: { enabled: true } }],
    ['a wrong percentage', { ...toFlagsDocument(flags).values, dual_write: { enabled: true, percent: 101 } }],
    ['a wrong list', { ...toFlagsDocument(flags).values, dual_write: { enabled: true, tenants: 'acme' } }],
  ])('%s is an error, not off', (_what, values) => {
    expect(() => fromFlagValues(values)).toThrow(TypeError);
  });

  test('definitions name every attribute that the values carry', () => {
    const { flags: definitions, values } = toFlagsDocument(flags);

    for (const [name, value] of Object.entries(values)) {
      const { attributes } = definitions[name] as { attributes: object };
      expect(Object.keys(attributes).toSorted()).toEqual(
        Object.keys(value)
          .filter((key) => key !== 'enabled')
          .toSorted(),
      );
    }
  });
});

test('deps are built without an address until one is used', () => {
  const plan = {
    name: 'shop',
    flags: { poll: 30_000 },
    legacy: { driver: 'pg', tls: 'disable' },
    target: { driver: 'pg', tls: 'disable' },
  };

  const deps = buildDeps(plan as never, new URL('file:///nowhere/'));

  expect(deps.planHash).toMatch(/^[0-9a-f]{64}$/);
  expect(() => deps.documents).toThrow(/CROSSFADE_CONTROL_TABLE is not set/);
});

function fakeDeps() {
  const metrics = createMemoryMetrics();
  const contexts: Readonly<Record<string, unknown>>[] = [];
  const log = {
    ...createMemoryLog(),
    setContext: (fields: Readonly<Record<string, unknown>>) => void contexts.push(fields),
  };
  // The shell uses nothing else.
  const deps = { metrics, log } as unknown as LambdaDeps;
  return { deps, metrics, contexts };
}

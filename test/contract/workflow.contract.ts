/** What Crossfade may rely on from its engine (lib/ports/workflow.ts). */
import { beforeAll, describe, expect, test } from 'vitest';
import type { MachineInput, MachineOutput } from '../../lib/contracts/machine-io.ts';
import type { Workflow } from '../../lib/ports/workflow.ts';

export interface OpenedWorkflow {
  /** Machine `baseline` ends with its output, `backfill` fails with `Crossfade.Test`, the others wait. */
  readonly workflow: Workflow;
  /** Lets what can end, end. */
  settle(arn: string): Promise<void>;
  /** A token that waits for an answer, and its execution, which ends with the answer. */
  openTask(): Promise<{ readonly token: string; readonly arn: string }>;
  inputOf(arn: string): Promise<MachineInput>;
}

export const PASSED: MachineOutput = {
  machine: 'baseline',
  outcome: 'passed',
  dryRun: false,
  gates: [],
  notes: ['done'],
  reasons: [],
  next: 'crossfade start dual-write',
};

export function describeWorkflow(name: string, open: () => Promise<OpenedWorkflow>): void {
  describe(`Workflow ${name}`, () => {
    let opened: OpenedWorkflow;
    let workflow: Workflow;

    beforeAll(async () => {
      opened = await open();
      workflow = opened.workflow;
    });

    test('a started execution runs with its input, and is found by its ARN', async () => {
      const input = { plan: 'shop', scope: ['acme'], dryRun: true };

      const started = await workflow.start('reconcile', input);

      expect(started).toMatchObject({ machine: 'reconcile', status: 'running', startedAt: expect.any(Date) });
      expect(started.arn.endsWith(`:${started.name}`)).toBe(true);
      expect(await workflow.describe(started.arn)).toMatchObject({
        arn: started.arn,
        name: started.name,
        machine: 'reconcile',
        status: 'running',
      });
      expect(await opened.inputOf(started.arn)).toEqual(input);
    });

    test('an execution that ends has its output, parsed', async () => {
      const { arn } = await workflow.start('baseline', { plan: 'shop' });
      await opened.settle(arn);

      expect(await workflow.describe(arn)).toMatchObject({
        status: 'succeeded',
        output: PASSED,
        stoppedAt: expect.any(Date),
      });
    });

    test('an execution that fails says why', async () => {
      const { arn } = await workflow.start('backfill', { plan: 'shop' });
      await opened.settle(arn);

      const failed = await workflow.describe(arn);

      expect(failed.status).toBe('failed');
      expect(failed.error).toContain('Crossfade.Test');
      expect(failed.output).toBeUndefined();
    });

    test('a stopped execution is aborted', async () => {
      const { arn } = await workflow.start('cutover', { plan: 'shop' });

      await workflow.stop(arn, 'by an operator');

      expect(await workflow.describe(arn)).toMatchObject({ status: 'aborted' });
    });

    test('a list has the executions of one machine, up to the limit', async () => {
      const arns = [
        await workflow.start('rollback', { plan: 'shop' }),
        await workflow.start('rollback', { plan: 'shop' }),
      ].map(({ arn }) => arn);

      const listed = await workflow.list('rollback', 10);

      expect(listed.map(({ arn }) => arn).toSorted()).toEqual(arns.toSorted());
      expect(await workflow.list('rollback', 1)).toHaveLength(1);
      expect(await workflow.list('decommission', 10)).toEqual([]);
    });

    test('an execution that nobody started cannot be described', async () => {
      const { arn } = await workflow.start('reconcile', { plan: 'shop' });

      await expect(workflow.describe(`${arn}-other`)).rejects.toThrow(/no execution/);
    });

    test('a task token is answered once', async () => {
      const { token, arn } = await opened.openTask();

      await workflow.succeedTask(token, { approved: true });
      await opened.settle(arn);

      await expect(workflow.succeedTask(token, { approved: true })).rejects.toThrow();
      await expect(workflow.failTask('no-such-token', 'Crossfade.Test', 'none')).rejects.toThrow();
    });

    test('a task may be failed', async () => {
      const { token, arn } = await opened.openTask();

      await workflow.failTask(token, 'Crossfade.Test', 'refused');
      await opened.settle(arn);

      await expect(workflow.succeedTask(token, {})).rejects.toThrow();
    });
  });
}

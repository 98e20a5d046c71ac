import { readdirSync } from 'node:fs';
import validate from 'asl-validator';
import { describe, expect, it } from 'vitest';
import { backfillMachine } from '../../lib/application/machines/backfill/machine.ts';
import { baselineMachine } from '../../lib/application/machines/baseline/machine.ts';
import { cutoverMachine } from '../../lib/application/machines/cutover/machine.ts';
import { decommissionMachine } from '../../lib/application/machines/decommission/machine.ts';
import { dualWriteMachine } from '../../lib/application/machines/dual-write/machine.ts';
import { reconcileMachine } from '../../lib/application/machines/reconcile/machine.ts';
import { rollbackMachine } from '../../lib/application/machines/rollback/machine.ts';
import type { MachineDefinition } from '../../lib/application/machines/step.ts';
import { switchoverMachine } from '../../lib/application/machines/switchover/machine.ts';
import { STEP_ERROR_NAMES } from '../../lib/contracts/error-names.ts';
import { MACHINES, type Machine } from '../../lib/domain/phase.ts';
import { readDefinition } from '../../lib/infra/constructs/machine.ts';
import { STEP_SECONDS } from '../../lib/infra/function-table.ts';
import { DEFINITIONS, definitionOf, reachableFrom, statesOf, successors, tasksOf } from './definitions.ts';

const MACHINE_DEFINITIONS: Readonly<Record<Machine, MachineDefinition>> = {
  baseline: baselineMachine,
  'dual-write': dualWriteMachine,
  backfill: backfillMachine,
  reconcile: reconcileMachine,
  cutover: cutoverMachine,
  switchover: switchoverMachine,
  decommission: decommissionMachine,
  rollback: rollbackMachine,
};
/** Done by the framework of all machines, not by a machine's own steps. */
const FRAMEWORK_STEPS = ['begin', 'finish', 'fail', 'request-approval'];
/** Names that AWS gives to errors. */
const SERVICE_ERRORS = /^(States|Lambda)\.\w+$|^Sandbox\.Timedout$/;

it('has one file for each machine and no other', () => {
  const files = readdirSync(new URL('../../state-machines/', import.meta.url));

  expect(files.sort()).toEqual(MACHINES.map((machine) => `${machine}.asl.json`).sort());
});

describe.each(DEFINITIONS)('%s.asl.json', (machine, definition) => {
  it('is valid Amazon States Language in JSONata', () => {
    const { isValid, errorsText } = validate(structuredClone(definition));

    expect(isValid, isValid ? '' : errorsText('\n')).toBe(true);
    expect(definition.QueryLanguage).toBe('JSONata');
    expect(statesOf(definition).filter(([, state]) => 'QueryLanguage' in state)).toEqual([]);
  });

  it('says what it is for and how long it may take', () => {
    expect(definition.Comment).toMatch(/\w/);
    expect(definition.TimeoutSeconds).toBeGreaterThan(0);
  });

  it('names states in PascalCase', () => {
    for (const [name] of statesOf(definition)) expect.soft(name).toMatch(/^([A-Z][a-z]+)+$/);
  });

  it('gives every task a timeout longer than its function, a retry and a catch', () => {
    for (const [name, state] of tasksOf(definition)) {
      expect.soft(state.TimeoutSeconds, name).toEqual(expect.any(Number));
      if (!state.Resource?.endsWith('.waitForTaskToken'))
        expect.soft(state.TimeoutSeconds, name).toBeGreaterThan(STEP_SECONDS);
      expect.soft(state.Retry?.length, name).toBeGreaterThan(0);
      expect.soft(state.Catch?.at(-1)?.ErrorEquals, name).toEqual(['States.ALL']);
    }
  });

  it('matches only errors that exist, and retries none blindly', () => {
    const own = new Set<string>(STEP_ERROR_NAMES);
    for (const [name, state] of statesOf(definition)) {
      const retried = (state.Retry ?? []).flatMap(({ ErrorEquals }) => ErrorEquals);
      const caught = (state.Catch ?? []).flatMap(({ ErrorEquals }) => ErrorEquals);
      expect
        .soft(
          [...retried, ...caught].filter((error) => !own.has(error) && !SERVICE_ERRORS.test(error)),
          name,
        )
        .toEqual([]);
      expect.soft(retried, name).not.toContain('States.ALL');
    }
  });

  it('has no state that nothing leads to', () => {
    const reached = reachableFrom(definition.StartAt, definition.States);

    expect(Object.keys(definition.States).filter((name) => !reached.has(name))).toEqual([]);
  });

  it('can be refused by every step, and ends recorded from every task', () => {
    for (const [name, state] of Object.entries(definition.States)) {
      if (state.Type !== 'Task' || state.End === true || name.startsWith('Record')) continue;
      const reached = reachableFrom(name, definition.States);
      expect.soft(reached, `${name} → Refuse`).toContain('Refuse');
      expect
        .soft(
          [...reached].some((next) => next === 'RecordFailure' || next === 'RecordBeginFailure'),
          `${name} → RecordFailure`,
        )
        .toBe(true);
    }
  });

  it('succeeds when it is refused or halted, and fails only after the failure is recorded', () => {
    for (const name of ['Finish', 'Refuse', 'Halt']) expect.soft(definition.States[name]?.End, name).toBe(true);
    const before = Object.entries(definition.States).filter(([, state]) => successors(state).includes('Failed'));

    expect(before.map(([name]) => name).sort()).toEqual(['RecordBeginFailure', 'RecordFailure']);
  });

  it('calls exactly the steps that the machine has', () => {
    const called = new Set(tasksOf(definition).map(([, { Arguments }]) => String(Arguments?.Payload.step)));
    const known = new Set([
      ...Object.keys(MACHINE_DEFINITIONS[machine].steps),
      ...FRAMEWORK_STEPS.filter((step) => called.has(step)),
    ]);

    expect(FRAMEWORK_STEPS.slice(0, 3).every((step) => called.has(step))).toBe(true);
    expect([...called].sort()).toEqual([...known].sort());
  });

  it('is called after its steps: CompareSchemas does compare-schemas', () => {
    for (const [name, { Arguments }] of tasksOf(definition)) {
      const step = String(Arguments?.Payload.step);
      if (FRAMEWORK_STEPS.includes(step) || name === 'CompareBatch') continue;
      expect.soft(name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()).toBe(step);
    }
  });

  it('does each step again when it asks for that, after the wait that it asks for', () => {
    for (const [name, state] of tasksOf(definition)) {
      const step = String(state.Arguments?.Payload.step);
      if (FRAMEWORK_STEPS.includes(step) && step !== 'begin') continue;
      const states = Object.fromEntries(statesOf(definition));
      const again = states[`${name}Answered`]?.Choices?.find(({ Next }) => Next === `${name}Waits`);
      expect.soft(again?.Condition, name).toMatch(/again = true/);
      expect.soft(states[`${name}Waits`]?.Next, name).toBe(name);
    }
  });

  it('asks nobody in a dry run', () => {
    const questions = tasksOf(definition).flatMap(([name, { Arguments }]) =>
      Arguments?.Payload.step === 'request-approval' ? [name] : [],
    );
    const asks = Object.values(definition.States).flatMap(({ Choices = [] }) =>
      Choices.filter(({ Next }) => questions.includes(Next)),
    );

    for (const { Condition } of asks) expect.soft(Condition).toContain('$run.dryRun != true');
    expect(asks.map(({ Next }) => Next).toSorted()).toEqual(questions.toSorted());
  });
});

describe('work that is undone before a machine ends early', () => {
  it.each([
    ['cutover', ['StartCanary', 'WatchCanary', 'RaiseToFull', 'WatchFull'], 'ReturnReads'],
    ['switchover', ['FenceLegacy', 'Drain', 'ProveEqual', 'SetSequences'], 'UnfenceLegacy'],
    ['rollback', ['FenceTarget', 'DrainReverse', 'ProveEqual', 'SetSequences'], 'UnfenceTarget'],
  ] as const)('%s: refusal, halt and failure of %j all go through %s', (machine, steps, undo) => {
    const { States } = definitionOf(machine);

    for (const step of steps) {
      expect.soft(new Set(States[step]?.Catch?.map(({ Next }) => Next)), step).toEqual(new Set([undo]));
      const early = States[`${step}Answered`]?.Choices?.filter(({ Condition }) => /halted|proceed/.test(Condition));
      expect
        .soft(
          early?.map(({ Next }) => Next),
          step,
        )
        .toEqual([undo, undo]);
    }
  });

  it.each([
    ['switchover', 'MoveAuthority', 'UnfenceLegacy', 'UnfenceTarget'],
    ['rollback', 'ReturnAuthority', 'UnfenceTarget', 'UnfenceLegacy'],
  ] as const)('%s: once %s has begun, a failure unfences nothing', (machine, decision, before, after) => {
    const { States } = definitionOf(machine);

    expect(States[decision]?.Catch?.find(({ ErrorEquals }) => ErrorEquals[0] === 'States.ALL')?.Next).toBe(
      'RecordFailure',
    );
    expect(reachableFrom(after, States)).not.toContain(before);
  });

  it('goes on to the end that brought it there', () => {
    for (const [machine, undo] of [
      ['cutover', 'ReturnReads'],
      ['switchover', 'UnfenceLegacy'],
      ['rollback', 'UnfenceTarget'],
    ] as const) {
      const ends = definitionOf(machine).States[`${undo}Answered`];
      expect
        .soft(
          ends?.Choices?.map(({ Condition, Next }) => [/'(\w+)'/.exec(Condition)?.[1], Next]),
          machine,
        )
        .toEqual([
          [undefined, `${undo}Waits`],
          ['failed', 'RecordFailure'],
          ['halted', 'Halt'],
        ]);
      expect.soft(ends?.Default, machine).toBe('Refuse');
    }
  });
});

describe('the Distributed Map of a cycle', () => {
  const { States } = definitionOf('reconcile');
  const map = States.CompareChunks;

  it('reads its items from the bucket, batches them by what the plan step says, and writes results to the bucket', () => {
    expect(map?.ItemReader?.Resource).toBe('arn:aws:states:::s3:getObject');
    expect(map?.ItemReader?.Arguments.Key).toContain('$last.data.chunks.Key');
    expect(map?.ItemBatcher?.MaxItemsPerBatch).toContain('$last.data.itemsPerCall');
    expect(map?.ItemBatcher?.BatchInput).toEqual({ run: '{% $run %}' });
    expect(map?.ResultWriter?.Resource).toBe('arn:aws:states:::s3:putObject');
    expect(map?.MaxConcurrency).toEqual(expect.any(Number));
  });

  it('tries every batch whatever fails, and each failed batch ends its child as failed', () => {
    expect(map?.ToleratedFailurePercentage).toBe(100);
    const children = map?.ItemProcessor?.States ?? {};
    expect(children.CompareBatch?.Catch?.map(({ Next }) => Next)).toEqual(['BatchFailed']);
    expect(children.BatchFailed?.Type).toBe('Fail');
  });

  it('goes on to settle and record, which sees what is missing', () => {
    expect(reachableFrom('CompareChunks', States)).toContain('Settle');
    expect(reachableFrom('Settle', States)).toContain('Record');
  });
});

describe('the way back of the schema', () => {
  const { States } = definitionOf('rollback');
  const leadingTo = (wanted: string) =>
    Object.entries(States).flatMap(([name, state]) => (successors(state).includes(wanted) ? [name] : []));

  it('drops nothing but what a person has approved', () => {
    expect(leadingTo('DropSchema')).toEqual(['SchemaApprovalGiven', 'DropSchemaWaits']);
    expect(leadingTo('SchemaApprovalGiven')).toEqual(['RequestSchemaApproval']);
    expect(leadingTo('RequestSchemaApproval')).toEqual(['ListSchemaAnswered']);
  });

  it('takes the tenants back first, and lists what is there after that', () => {
    const survey = States.SurveySchemaAnswered?.Choices?.map(({ Condition, Next }) => [Next, Condition]);

    expect(survey).toContainEqual(['CloseTenants', '{% $last.data.takeBack = true %}']);
    expect(States.VerifyErasedAnswered?.Choices?.at(-1)).toEqual({
      Condition: "{% $run.from = 'schema' %}",
      Next: 'ListSchema',
    });
    expect(States.VerifyErasedAnswered?.Default).toBe('Finish');
  });

  it('asks nobody where nothing is left, and verifies whatever led there', () => {
    expect(States.ListSchemaAnswered?.Default).toBe('VerifySchema');
    expect(States.DropSchemaAnswered?.Default).toBe('VerifySchema');
    expect(States.VerifySchemaAnswered?.Default).toBe('Finish');
  });
});

describe('values for placeholders', () => {
  const given = { machine: 'reconcile', batchedDistributedMap: true } as const;

  it('are missed by name', () => {
    expect(() => readDefinition({ ...given, texts: { Function: 'f', Bucket: 'b' }, numbers: {} })).toThrow(
      /reconcile.asl.json: no value for Concurrency, ApprovalTimeoutSeconds|reconcile.asl.json: no value for ApprovalTimeoutSeconds, Concurrency/,
    );
  });

  it('are refused where nothing has their name', () => {
    const numbers = { Concurrency: 1, ApprovalTimeoutSeconds: 1 };

    expect(() => readDefinition({ ...given, texts: { Function: 'f', Bucket: 'b', Topic: 't' }, numbers })).toThrow(
      /nothing is called Topic/,
    );
  });

  it('put numbers where Step Functions wants numbers', () => {
    expect(definitionOf('reconcile').States.RequestApproval?.TimeoutSeconds).toBe(7);
    expect(definitionOf('reconcile').States.CompareChunks).toMatchObject({ MaxConcurrency: 7 });
  });
});

describe('a Distributed Map on an endpoint without batches', () => {
  it('reads by path and hands each child one chunk', () => {
    const definition = JSON.parse(
      readDefinition({
        machine: 'reconcile',
        texts: { Function: 'f', Bucket: 'b' },
        numbers: { Concurrency: 1, ApprovalTimeoutSeconds: 1 },
        batchedDistributedMap: false,
      }),
    );

    const { CompareChunks } = definition.States;

    expect(CompareChunks).not.toHaveProperty('ItemBatcher');
    expect(CompareChunks.ItemReader.Parameters).toEqual({ 'Bucket.$': '$.chunks.Bucket', 'Key.$': '$.chunks.Key' });
    expect(CompareChunks.ItemProcessor.States.CompareBatch.Arguments.Payload).toEqual({
      step: 'compare-chunks',
      run: '{% $run %}',
      Items: '{% [$states.input] %}',
    });
    expect(Object.keys(definition.States)).toEqual(Object.keys(definitionOf('reconcile').States));
  });
});

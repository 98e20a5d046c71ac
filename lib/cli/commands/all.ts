/** The whole command table, in the order in which help shows it. */
import type { Command } from '../command.ts';
import { BACKFILL_COMMANDS } from './backfill.ts';
import { CONTROL_COMMANDS } from './control.ts';
import { DATA_COMMANDS } from './data.ts';
import { INCIDENT_COMMANDS } from './incidents.ts';
import { PLAN_COMMANDS } from './plan.ts';
import { REPAIR_COMMANDS } from './repair.ts';
import { RUN_COMMANDS } from './run.ts';
import { TRACE_COMMANDS } from './trace.ts';
import { UNDO_COMMANDS } from './undo.ts';
import { WATCH_COMMANDS } from './watch.ts';

export const COMMANDS: readonly Command[] = [
  ...PLAN_COMMANDS,
  ...RUN_COMMANDS,
  ...WATCH_COMMANDS,
  ...CONTROL_COMMANDS,
  ...DATA_COMMANDS,
  ...REPAIR_COMMANDS,
  ...BACKFILL_COMMANDS,
  ...INCIDENT_COMMANDS,
  ...TRACE_COMMANDS,
  ...UNDO_COMMANDS,
];

/** Commands that only hold others. */
export const GROUP_ABOUT: Readonly<Record<string, string>> = {
  plan: 'check a plan file, and what follows from it',
  flags: 'who should be exposed: show and change the wish',
  parked: 'events that were set aside and are to stay so',
  backfill: 'the copy of history while it runs: watch, tune, pause',
  repair: 'drift that is mended: plans to review, carry out and take back',
  incidents: 'what must not happen and did',
  drift: 'the drift clock, open differences, and one of them explained',
};

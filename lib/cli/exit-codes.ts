/** The exit codes of `crossfade` (design §12), documented in docs/cli.md; a test compares the two. */

import type { OperatorErrorKind } from '../application/operate/operator.ts';
import type { RunState } from '../application/operate/run-view.ts';

export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, differences: 4, waiting: 5, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'failed: something broke, or a run failed or was halted',
  2: 'wrong usage or plan: nothing was tried',
  3: 'refused by a gate or a guard: nothing was changed by the refused part',
  4: 'differences found',
  5: 'waiting for a person or a window',
  130: 'interrupted with Ctrl-C: what was started goes on',
};

export const EXIT_OF_RUN: Readonly<Record<RunState, ExitCode>> = {
  running: EXIT.done,
  waiting: EXIT.waiting,
  passed: EXIT.done,
  'rolled-back': EXIT.done,
  refused: EXIT.refused,
  differences: EXIT.differences,
  halted: EXIT.failed,
  failed: EXIT.failed,
};

export const EXIT_OF_ERROR: Readonly<Record<OperatorErrorKind, ExitCode>> = {
  usage: EXIT.usage,
  refused: EXIT.refused,
  waiting: EXIT.waiting,
  failed: EXIT.failed,
};
